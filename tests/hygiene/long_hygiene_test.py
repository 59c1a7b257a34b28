#!/usr/bin/env python3
import unittest

from hygiene import HygieneTest


class LongHygiene(HygieneTest):
    def test_a_thousand_runs_killed_at_random_leave_nothing(self):
        self.runs_leave_nothing(1000)


if __name__ == "__main__":
    unittest.main()
