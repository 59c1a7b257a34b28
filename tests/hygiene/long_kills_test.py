#!/usr/bin/env python3
import time
import unittest

from hygiene import HygieneTest


class LongKills(HygieneTest):
    def test_ten_thousand_at_random_lose_and_double_and_leave_nothing(self):
        self.kills_leave_nothing(10_000, seed=time.time_ns() % 2**31, timeout=3000)


if __name__ == "__main__":
    unittest.main()
