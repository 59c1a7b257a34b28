#!/usr/bin/env python3
"""Ctrl-C reaches all processes of a program at once: what becomes of one with a Pool in a map."""
import os
import pathlib
import signal
import subprocess
import unittest

from hygiene import SOON, HygieneTest, descendants

PROGRAM = pathlib.Path(os.environ["TOWPATH_BUILD"]) / "bin" / "hygiene_interrupted"


class Interrupt(HygieneTest):
    def interrupted(self, *arguments):
        """The exit code of the program, behind whose end nothing runs or lies about."""
        program = subprocess.Popen([PROGRAM, *arguments], env=self.environment, stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self.assertEqual("mapping\n", program.stdout.readline())
        self.assertGreaterEqual(len(descendants()), 5)  # two workers, forkserver, keeper, hub
        os.killpg(program.pid, signal.SIGINT)
        code = program.wait(SOON)
        program.stdout.close()
        self.await_end_of_all("behind its end")
        self.assertEqual([], [path for path in self.sockets.rglob("*") if not path.is_dir()])
        return code

    def test_by_default_the_program_ends_and_all_of_it(self):
        self.assertEqual(-signal.SIGINT, self.interrupted())

    def test_a_program_that_takes_care_of_it_ends_as_it_likes(self):
        self.assertEqual(5, self.interrupted("care"))


if __name__ == "__main__":
    unittest.main()
