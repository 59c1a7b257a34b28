#!/usr/bin/env python3
"""Does each example of the tour print what stands beside it, and is the page whole?"""
import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "pipelines/tour"
BUILD = pathlib.Path(os.environ.get("TOWPATH_BUILD", ROOT / "build/release"))
PROGRAM = BUILD / "bin/towpath-tour"


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120)


def names():
    return [line.split()[0] for line in run("--list").stdout.splitlines()]


def blocks(expected):
    """(lines, whether their order counts), from a text with [in any order] and [in this order]."""
    found = [([], True)]
    for line in expected.splitlines():
        if line in ("[in any order]", "[in this order]"):
            found.append(([], line == "[in this order]"))
        else:
            found[-1][0].append(line)
    return found


def matches(pattern, line):
    """<number> stands for one, <text> for anything."""
    words = re.split(r"(<number>|<text>)", pattern)
    known = {"<number>": r"-?\d+(?:\.\d+)?", "<text>": ".*"}
    return re.fullmatch("".join(known.get(word, re.escape(word)) for word in words), line)


def differences(expected, printed):
    lines = printed.splitlines()
    for wanted, ordered in blocks(expected):
        here, lines = lines[:len(wanted)], lines[len(wanted):]
        for pattern in wanted:
            candidates = here[:1] if ordered else here
            match = next((line for line in candidates if matches(pattern, line)), None)
            if match is None:
                return f'no line like "{pattern}" among {candidates}'
            here.remove(match)
    return f"more than expected: {lines}" if lines else None


class Tour(unittest.TestCase):
    def test_every_example_prints_what_its_text_says(self):
        for name in names():
            with self.subTest(name):
                result = run(name)
                why = differences((FOLDER / f"{name}.txt").read_text(), result.stdout)
                self.assertIsNone(why, f"{why}\n{result.stdout}\n{result.stderr}")
                self.assertEqual(("", 0), (result.stderr, result.returncode))

    def test_all_runs_all_in_reading_order(self):
        result = run("--all")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual(names(), re.findall(r"^── (\w+): ", result.stdout, re.M))

    def test_every_file_belongs_to_an_example(self):
        listed = names()
        self.assertGreater(len(listed), 30)
        for suffix in (".cc", ".py", ".txt"):
            files = {path.stem for path in FOLDER.glob(f"*{suffix}")} - {"main", "examples", "page"}
            self.assertEqual(set(listed), files, suffix)

    def test_the_page_sets_every_example_side_by_side(self):
        page = (BUILD / "docs/tour.html").read_text()
        for name in names():
            self.assertIn(f'<h2 id="{name}">', page)
        self.assertEqual(len(names()), page.count("<h3>Python</h3>"))
        self.assertEqual(len(names()), page.count("<h3>C++</h3>"))

    def test_a_wrong_name_is_named_and_help_has_examples(self):
        result = run("no_such_thing")
        self.assertEqual(2, result.returncode)
        self.assertIn('no example "no_such_thing"', result.stderr)
        self.assertEqual(2, run().returncode)
        self.assertIn("examples:\n  towpath-tour pool_map", run("--help").stdout)


class Compare(unittest.TestCase):
    """Would we notice?"""

    def test_orders_and_placeholders_are_kept(self):
        expected = "a\n[in any order]\nb <number>\nc\n[in this order]\nd <text>!\n"
        self.assertIsNone(differences(expected, "a\nc\nb 1.5\nd anything!\n"))
        for wrong in ("a\nc\nb x\nd !\n", "a\nb 1\nc\n", "a\nb 1\nc\nd !\ne\n", "b 1\na\nc\nd !\n",
                      "a\nb 1\nb 1\nd !\n"):
            with self.subTest(wrong):
                self.assertIsNotNone(differences(expected, wrong))


if __name__ == "__main__":
    unittest.main()
