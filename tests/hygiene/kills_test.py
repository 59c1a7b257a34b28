#!/usr/bin/env python3
import unittest

from hygiene import HygieneTest


class Kills(HygieneTest):
    def test_three_hundred_at_random_lose_and_double_and_leave_nothing(self):
        self.kills_leave_nothing(300, seed=1, timeout=300)


if __name__ == "__main__":
    unittest.main()
