#!/usr/bin/env python3
"""A C++ program that embeds Towpath: pipelines/word_count, with a stage of its own."""
import collections
import os
import re
import signal
import subprocess
import tempfile
import unittest

from harness import BUILD, TowpathTest, descendants, title, until, zipf_text

WORD_COUNT = BUILD / "bin/word_count"


def top_words(text, longer_than):
    words = re.split(rb"[ \t\n\v\f\r]+", text)
    lower = bytes.maketrans(bytes(range(65, 91)), bytes(range(97, 123)))
    counts = collections.Counter(word.translate(lower) for word in words if len(word) > longer_than)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20]
    return b"".join(b"%d\t%s\n" % (count, word) for word, count in ranked)


class Embedded(TowpathTest):
    def setUp(self):
        super().setUp()
        self.assertTrue(WORD_COUNT.exists(), f"{WORD_COUNT}: build it first")

    def word_count(self, *arguments, code=0):
        done = subprocess.run([WORD_COUNT, *map(str, arguments)], cwd=self.folder, env=self.env, capture_output=True,
                              timeout=120)
        self.assertEqual(code, done.returncode, done.stderr.decode(errors="replace"))
        return done

    def test_its_rows_are_those_of_an_independent_count(self):
        for name, seed in (("a.txt", 3), ("b.txt", 4)):
            zipf_text(self.folder / name, 3_000_000, seed)
        text = self.read("a.txt") + self.read("b.txt")
        for longer_than in (3, 0, 9):
            with self.subTest(longer_than=longer_than):
                done = self.word_count(self.folder / "*.txt", longer_than)
                self.assert_same_bytes(top_words(text, longer_than), done.stdout)
                self.assertEqual(b"", done.stderr)
        self.assert_nothing_is_left()

    def test_without_arguments_it_counts_what_every_debian_has(self):
        lines = self.word_count().stdout.splitlines()
        self.assertEqual(20, len(lines))
        self.assertRegex(lines[0], rb"^\d+\t\S{4,}$")

    def test_a_row_that_only_its_own_stage_drops_is_dropped(self):
        self.write("a.txt", "one two three four five\n")
        self.assertEqual(b"1\tthree\n", self.word_count("a.txt", 4).stdout)
        self.assertEqual(b"", self.word_count("a.txt", 5).stdout)

    def test_wrong_usage_is_said_and_starts_nothing(self):
        self.write("a.txt", "one\n")
        for arguments, says in ((("a.txt", "many"), "many"), (("a.txt", "3x"), "3x"),
                                (("a.txt", "1", "more"), "usage: word_count"), (("a.txt", "-1"), "bytes"),
                                (("none.txt",), "none.txt")):
            with self.subTest(arguments=arguments):
                done = self.word_count(*arguments, code=2)
                self.assertIn(says, done.stderr.decode())
                self.assertNotIn("terminate called", done.stderr.decode())
                self.assertEqual(b"", done.stdout)
        self.assertFalse((self.folder / ".towpath").exists())
        self.assertIn(b"usage:", self.word_count("--help").stdout)

    def end_by(self, number):
        # The same 4 MB under a thousand names: seconds of work.
        zipf_text(self.folder / "0.txt", 4_000_000)
        for i in range(1, 1000):
            os.link(self.folder / "0.txt", self.folder / f"{i}.txt")
        with tempfile.TemporaryFile() as err:
            running = subprocess.Popen([WORD_COUNT, "*.txt"], cwd=self.folder, env=self.env, stderr=err,
                                       stdout=subprocess.DEVNULL)
            self.addCleanup(lambda: running.poll() is None and running.kill())
            until(lambda: any(title(pid).startswith("towpath: word_count/words#2") for pid in descendants()), 20,
                  "its workers")
            self.assertIsNone(running.poll())
            running.send_signal(number)
            self.assertEqual(-number, running.wait(20))
        self.assert_nothing_is_left(seconds=10)

    def test_sigint_leaves_no_process_and_no_file(self):
        self.end_by(signal.SIGINT)

    def test_sigterm_leaves_no_process_and_no_file(self):
        self.end_by(signal.SIGTERM)

    def test_kill_9_leaves_no_process_and_no_file(self):
        self.end_by(signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
