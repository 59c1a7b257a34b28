#!/usr/bin/env python3
import unittest

from hygiene import HygieneTest


class Hygiene(HygieneTest):
    def test_thirty_runs_killed_at_random_leave_nothing(self):
        self.runs_leave_nothing(30)


if __name__ == "__main__":
    unittest.main()
