#!/usr/bin/env python3
import os
import pathlib
import subprocess
import unittest

PROGRAM = pathlib.Path(os.environ["TOWPATH_BUILD"]) / "bin" / "hygiene_kills"


class Kills(unittest.TestCase):
    def test_three_hundred_at_random_lose_and_double_nothing(self):
        subprocess.run([PROGRAM, "300", "1"], check=True, timeout=300)


if __name__ == "__main__":
    unittest.main()
