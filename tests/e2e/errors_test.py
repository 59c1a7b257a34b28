#!/usr/bin/env python3
"""What is wrong with a file is said before anything starts: all of it at once, each with its place, the
line and a way out. tests/e2e/errors/NAME.yaml is wrong; NAME.txt is what `run` says of it.

TOWPATH_ACCEPT=1 rewrites the .txt files; read the difference before you keep it.
"""
import os
import pathlib
import re
import unittest

from harness import TowpathTest

ERRORS = pathlib.Path(__file__).parent / "errors"


class Errors(TowpathTest):
    def expect(self, name, least=1):
        """`run` refuses NAME.yaml with the text of NAME.txt, of at least so many problems."""
        self.write(f"{name}.yaml", (ERRORS / f"{name}.yaml").read_bytes())
        done = self.towpath("run", f"{name}.yaml", code=2)
        said = done.text()
        self.assertEqual(b"", done.output())
        self.assertFalse((self.folder / ".towpath").exists(), "something was started")
        self.assert_form(f"{name}.yaml", said, least)
        # `check` is the same loader.
        checked = self.towpath("check", f"{name}.yaml", code=2)
        self.assertEqual(said, checked.text())
        golden = ERRORS / f"{name}.txt"
        if os.environ.get("TOWPATH_ACCEPT"):
            golden.write_text(said)
        self.assertEqual(golden.read_text(), said)

    def assert_form(self, name, said, least):
        source = self.read(name).decode().splitlines()
        problems = list(re.finditer(rf"(?m)^{re.escape(name)}:(\d+):(\d+): error: (.+)\n(.*)\n([ \t]*)\^", said))
        self.assertGreaterEqual(len(problems), least, said)
        for problem in problems:
            line, column = int(problem[1]), int(problem[2])
            # As bytes, in which columns are counted; what is too wide is cut at either end.
            shown, excerpt = source[line - 1].encode(), problem[4].strip("…").encode()
            self.assertIn(excerpt.strip(), shown)
            # The caret stands below the column that was named.
            below = shown[column - 1:].decode()[:10]
            if below.isascii() and source[line - 1].isascii():
                self.assertEqual(below, problem[4][len(problem[5]):][:len(below)], said)

    def test_an_unknown_key_of_a_stage_names_the_nearest(self):
        self.expect("unknown_key")

    def test_an_unknown_option_names_the_nearest(self):
        self.expect("unknown_option")

    def test_values_of_the_wrong_type_are_all_named(self):
        self.expect("wrong_type", 3)

    def test_values_out_of_range_show_the_range(self):
        self.expect("out_of_range", 2)

    def test_a_name_too_long_for_a_folder_is_placed(self):
        self.expect("long_name")

    def test_a_missing_file_is_named_before_the_run(self):
        self.expect("missing_file")

    def test_unknown_stages_and_kinds_name_the_nearest(self):
        self.expect("unknown_stage", 2)

    def test_a_cycle_is_shown_as_a_path(self):
        self.expect("cycle")

    def test_a_stage_that_no_source_reaches_is_named(self):
        self.expect("unreachable")

    def test_each_bad_expression_is_underlined_where_it_is_wrong(self):
        self.expect("bad_expression", 6)

    def test_a_duplicate_key_names_both_places(self):
        self.expect("duplicate_key")

    def test_a_missing_param_and_an_unset_variable_are_named(self):
        self.expect("missing_param", 2)

    def test_missing_fields_are_all_named(self):
        self.expect("missing_field", 2)

    def test_broken_yaml_is_placed(self):
        self.expect("syntax")

    def test_an_expression_split_by_a_comma_asks_for_quotes(self):
        self.expect("comma_in_expression")

    def test_a_stage_has_exactly_one_kind(self):
        self.expect("two_kinds", 2)

    def test_rows_that_nobody_reads_are_an_error(self):
        self.expect("unread_output")

    def test_columns_that_lack_or_are_of_the_wrong_type_are_named(self):
        self.write("events.jsonl", b'{"n": 1, "o": {"x": 1}}\n')
        self.expect("column_types", 10)

    def test_a_file_is_written_once_and_not_read(self):
        self.write("data/a.txt", b"a\n")
        self.write("out/x.csv", b"")
        (self.folder / "link").symlink_to("out")
        self.expect("outputs", 9)

    def test_empty_lists_and_maps_are_named(self):
        self.write("a.csv", b"a\n1\n")
        self.expect("empty", 12)

    def test_paths_that_are_no_files_are_named_for_what_they_are(self):
        self.write("data/a.txt", b"a\n")
        self.write("wide.csv", "a,b\n1,2\n".encode("utf-16"))
        os.mkfifo(self.folder / "pipe")
        self.expect("paths", 7)

    def test_a_wide_line_is_cut_around_the_caret(self):
        self.expect("wide_line", 3)

    def test_every_wrong_file_has_its_test(self):
        tested = set(re.findall(r'self\.expect\("(\w+)"', pathlib.Path(__file__).read_text()))
        self.assertEqual({path.stem for path in ERRORS.glob("*.yaml")}, tested)

    def test_a_file_that_is_not_there_is_named(self):
        done = self.towpath("run", "nowhere.yaml", code=2)
        self.assertIn("nowhere.yaml", done.text())

    def test_an_unknown_param_on_the_command_line_names_the_nearest(self):
        self.config('''
  rows: { generate: { rows: "${rows}", columns: { id: sequence } } }
  none: { from: rows, discard: {} }''', "params: { rows: 10 }")
        done = self.towpath("run", "t.yaml", "--set", "rwos=11", code=2)
        self.assertIn("rows", done.text())
        self.assertFalse((self.folder / ".towpath").exists())

    def test_workers_of_an_unknown_stage_are_wrong_usage(self):
        self.config('''
  rows: { generate: { rows: 10, columns: { id: sequence } } }
  none: { from: rows, discard: {} }''')
        done = self.towpath("run", "t.yaml", "--workers", "nobody=2", code=2)
        self.assertIn("nobody", done.text())
        done = self.towpath("run", "t.yaml", "--start-method", "teleport", code=2)
        self.assertIn("teleport", done.text())
        done = self.towpath("run", "t.yaml", "--memory", "plenty", code=2)
        self.assertIn("plenty", done.text())
        self.assertFalse((self.folder / ".towpath").exists())


if __name__ == "__main__":
    unittest.main()
