#!/usr/bin/env python3
"""Does the Python side of each example run, and print what the C++ side does, where it can? Among the
long tests, because Python's own races, which the tour tells of, may fail it on a machine with much to do."""
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from tour_test import FOLDER, differences, names  # noqa: E402

# Where Python prints something else, and why.
PYTHON_DIFFERS = {
    "exceptions": "its traceback is of its own form, and does not travel",
    "good_practice": "its log has other words",
    "guidelines": "a lock of a killed process is never free again",
    "join_before_get": "join waits for what nobody takes",
    "logging_errors": "its log has other words, and a wrong key ends accept()",
    "main_guard": "its error is for a missing guard, which can't be shown in one file",
    "pool_worker_names": "a pool has no name",
    "start_methods": "its errors have other words",
}


class PythonSide(unittest.TestCase):
    def test_it_prints_the_same_where_it_can(self):
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        for name in names():
            with self.subTest(name):
                self.assertIn('if __name__ == "__main__":', (FOLDER / f"{name}.py").read_text())
                result = subprocess.run([sys.executable, FOLDER / f"{name}.py"], capture_output=True,
                                        text=True, timeout=120, env=environment)
                self.assertEqual(0, result.returncode, result.stderr)
                why = differences((FOLDER / f"{name}.txt").read_text(), result.stdout)
                if name in PYTHON_DIFFERS:
                    self.assertIsNotNone(why, f"it is the same: not as we say, {PYTHON_DIFFERS[name]}")
                else:
                    self.assertIsNone(why, f"{why}\n{result.stdout}\n{result.stderr}")


if __name__ == "__main__":
    unittest.main()
