#!/usr/bin/env python3
"""What takes many minutes: `./dev test --long`."""
import unittest

import processes_test


class LongMemory(processes_test.TowpathTest):
    def test_10_gb_of_rows_stay_within_a_memory_of_64_mib(self):
        stages = processes_test.Memory.bounded(self, 10 * processes_test.Memory.ROWS, 3000)
        self.assertGreater(stages["rows"]["bytes"], 1e10)


if __name__ == "__main__":
    unittest.main()
