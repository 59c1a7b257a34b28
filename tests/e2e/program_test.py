#!/usr/bin/env python3
"""The program's other commands, and what it says on which stream."""
import subprocess
import unittest

from harness import PROGRAM, ROOT, TowpathTest


class Program(TowpathTest):
    def pipeline(self):
        self.config('''
  rows: { generate: { rows: "${rows}", columns: { id: sequence, qty: "int(0, 20)" } } }
  kept: { from: rows, filter: "id < $rows", workers: 2 }
  sums: { from: kept, group: { by: qty, n: count() } }
  csv: { from: sums, csv.write: out.csv }
  all: { from: kept, csv.write: all.csv }''', "params: { rows: 1000 }")

    def test_help_names_every_command_and_exits_0(self):
        text = self.towpath("--help").output().decode()
        for command in ("run", "check", "graph", "stages", "options", "functions"):
            self.assertIn(command, text)
            self.assertIn("--help", self.towpath(command, "--help").output().decode())

    def test_no_or_an_unknown_command_is_wrong_usage(self):
        self.assertIn("--help", self.towpath(code=2).text())
        said = self.towpath("rnu", "t.yaml", code=2).text()
        self.assertIn('there is no command "rnu"; did you mean "run"?', said)
        self.assertIn('there is no command "tbles"; did you mean "tables"?', self.towpath("debug", "tbles", code=2).text())
        self.assertIn("there are run, resume, check, graph", self.towpath("zzzzzz", code=2).text())
        self.towpath("run", code=2)
        self.towpath("run", "t.yaml", "--no-such-option", code=2)

    def test_batch_rows_of_none_says_what_is_allowed(self):
        for wrong in ("0", "-1", "1.5", "many"):
            said = self.towpath("run", "t.yaml", "--batch-rows", wrong, code=2).text()
            self.assertIn(f"{wrong} is not a whole number of at least 1", said)

    def test_its_library_can_be_loaded_by_a_program_that_runs(self):
        library = PROGRAM.parents[1] / "lib/libtowpath.so"
        code = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
        subprocess.run(["/usr/bin/python3", "-c", code, library], check=True)

    def test_check_of_a_right_file_starts_nothing_and_exits_0(self):
        self.pipeline()
        self.towpath("check", "t.yaml")
        self.assertFalse((self.folder / ".towpath").exists())
        self.assertFalse((self.folder / "out.csv").exists())

    def test_check_counts_the_stages_that_the_file_has(self):
        self.write("a.csv", "k,v\na,1\n")
        self.config('''
  rows: { csv.read: a.csv }
  sums: { from: rows, group: { by: k, v: sum(v) }, workers: 4 }
  csv: { from: sums, csv.write: out.csv }''')
        self.assertIn(": 3 stages, ", self.towpath("check", "t.yaml").output().decode())
        self.assertIn("t: 3 stages, ", self.towpath("graph", "t.yaml").output().decode())

    def test_check_finds_every_config_of_the_project_right(self):
        for config in sorted((ROOT / "configs").glob("*.yaml")):
            self.towpath("check", config)

    def test_set_changes_a_param(self):
        self.pipeline()
        self.towpath("run", "t.yaml", "--set", "rows=51")
        self.assertEqual(51, len(self.read("all.csv").splitlines()))

    def test_stdout_is_empty_and_the_ledger_goes_to_stderr(self):
        self.pipeline()
        done = self.towpath("run", "t.yaml")
        self.assertEqual(b"", done.output())
        for stage in ("rows", "kept", "sums", "csv"):
            self.assertIn(stage, done.text())

    def test_quiet_says_nothing(self):
        self.pipeline()
        done = self.towpath("run", "t.yaml", "--quiet")
        self.assertEqual(b"", done.output())
        self.assertEqual("", done.text())

    def test_print_writes_rows_on_stdout(self):
        self.config('''
  rows: { generate: { rows: 3, columns: { id: sequence } } }
  shown: { from: rows, print: {} }''')
        lines = self.towpath("run", "t.yaml", "--quiet").output().decode().splitlines()
        self.assertGreaterEqual(len(lines), 3)

    def test_stages_lists_every_kind_with_its_summary(self):
        text = self.towpath("stages").output().decode()
        for kind in ("files", "text.read", "text.words", "text.stanzas", "csv.read", "csv.write", "jsonl.read",
                     "jsonl.write", "generate", "filter", "map", "select", "group", "sort", "top", "sqlite.write",
                     "print", "discard"):
            self.assertRegex(text, rf"(?m)^\s*{kind}\s+\S+")

    def test_stages_with_a_name_shows_fields_defaults_and_examples(self):
        text = self.towpath("stages", "csv.read").output().decode()
        for word in ("path", "types", "header"):
            self.assertIn(word, text)
        text = self.towpath("stages", "csv.raed", code=2).text()
        self.assertIn("csv.read", text)

    def test_options_and_functions_show_what_a_file_may_say(self):
        options = self.towpath("options").output().decode()
        for word in ("memory", "max_rejects", "stages", "from", "steps", "workers", "env"):
            self.assertRegex(options, rf"(?m)^  {word} ")
        functions = self.towpath("functions").output().decode()
        for signature in ("round(x[, digits])", "coalesce(a, b, …)", "random()"):
            self.assertIn(signature, functions)

    def test_a_file_of_ten_thousand_columns_goes_through(self):
        header = ",".join(f"c{i}" for i in range(10_000))
        rows = [",".join(str(row * 10_000 + i) for i in range(10_000)) for row in range(60)]
        text = "\n".join([header, *rows]) + "\n"
        self.write("wide.csv", text)
        self.config('''
  rows: { csv.read: wide.csv }
  kept: { from: rows, filter: "c0 >= 0" }
  csv: { from: kept, csv.write: out.csv }''')
        self.towpath("run", "t.yaml")
        self.assertEqual(text.encode(), self.read("out.csv"))

    def test_graph_shows_every_stage_as_text_and_as_dot(self):
        self.pipeline()
        text = self.towpath("graph", "t.yaml").output().decode()
        dot = self.towpath("graph", "t.yaml", "--dot").output().decode()
        for stage in ("rows", "kept", "sums", "csv"):
            self.assertIn(stage, text)
            self.assertIn(stage, dot)
        self.assertIn("digraph", dot)
        self.assertRegex(dot, r"rows.*->.*kept")
        self.assertFalse((self.folder / ".towpath").exists())

    def test_the_program_works_from_another_folder_and_through_a_link(self):
        self.pipeline()
        link = self.folder / "t"
        link.symlink_to(PROGRAM)
        done = subprocess.run([link, "run", "t.yaml", "--quiet"], cwd=self.folder, env=self.env, capture_output=True)
        self.assertEqual((0, b""), (done.returncode, done.stderr))


if __name__ == "__main__":
    unittest.main()
