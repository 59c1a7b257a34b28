#!/usr/bin/env python3
import os
import pathlib
import subprocess
import unittest

PROGRAM = pathlib.Path(os.environ["TOWPATH_BUILD"]) / "bin" / "hygiene_kills"


class LongKills(unittest.TestCase):
    def test_ten_thousand_at_random_lose_and_double_nothing(self):
        subprocess.run([PROGRAM, "10000", "2"], check=True, timeout=3000)


if __name__ == "__main__":
    unittest.main()
