#!/usr/bin/env python3
"""A database changes when the run is complete, whole or not at all."""
import json
import os
import shutil
import signal
import sqlite3
import time
import unittest

from harness import TowpathTest, open_files, until


class Sqlite(TowpathTest):
    def database(self, *statements):
        with sqlite3.connect(self.folder / "t.db") as connection:
            return [connection.execute(statement).fetchall() for statement in statements]

    def test_rows_that_the_table_refuses_are_rejects_of_the_sink(self):
        self.database("CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (7)")
        self.config('''
  rows: { generate: { rows: 100, columns: { id: sequence } } }
  db: { from: rows, sqlite.write: { path: t.db, table: t, mode: append } }''', "max_rejects: 1")
        done = self.towpath("run", "t.yaml", "--json", code=3)
        self.assertEqual([[(100, 5050)]], self.database("SELECT count(*), sum(id) FROM t"))
        file = self.folder / ".towpath/runs" / done.ledger()["run"] / "rejects.jsonl"
        reject, = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual(("db", "generate", 7, '{"id":7}'), tuple(reject[key] for key in ("stage", "file", "line", "raw")))
        self.assertIn("UNIQUE constraint failed: t.id", reject["reason"])

    def test_two_sinks_write_tables_of_one_database_in_turn(self):
        self.config('''
  rows: { generate: { rows: 200000, columns: { id: sequence } } }
  even: { from: rows, filter: id % 2 == 0 }
  all: { from: rows, sqlite.write: { path: t.db, table: all } }
  half: { from: even, sqlite.write: { path: ./t.db, table: half } }''')
        self.towpath("run", "t.yaml")
        self.assertEqual([[(200000, 100000)]],
                         self.database('SELECT (SELECT count(*) FROM "all"), (SELECT count(*) FROM half)'))
        self.assertEqual(["t.db"], [path.name for path in self.folder.glob("t.db*")])

    def test_a_sink_that_waits_for_its_database_while_no_row_comes_ends_in_order(self):
        self.database("CREATE TABLE other (id)")
        self.config('''
  rows: { generate: { rows: 10, columns: { id: sequence } } }
  none: { from: rows, filter: id > 10 }
  db: { from: none, sqlite.write: { path: t.db, table: t } }''')
        lock = sqlite3.connect(self.folder / "t.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        running = self.start("run", "t.yaml")
        worker = next(iter(running.wait_for_workers("/db#")))
        until(lambda: any(name.endswith("/t.db") for name in open_files(worker)), 20, "the sink opens the database")
        until(lambda: not running.workers("/rows#") or time.monotonic() > running.begin + 1, 20, "the rows are read")
        self.assertFalse(running.ended(), running.text())
        lock.execute("COMMIT")
        lock.close()
        running.wait(40)
        self.assertEqual(0, running.code, running.text())
        self.assertEqual([[(0,)]], self.database("SELECT count(*) FROM t"))

    def test_many_refused_rows_do_not_stop_the_commit(self):
        self.database("CREATE TABLE t (id INTEGER CHECK (id % 2 = 0))")
        self.config('''
  rows: { generate: { rows: 60000, columns: { id: sequence } } }
  db: { from: rows, sqlite.write: { path: t.db, table: t, mode: append } }''', "memory: 32MiB\nmax_rejects: 30000")
        stages = self.towpath("run", "t.yaml", "--json", code=3).ledger()["stages"]
        self.assertEqual(30000, stages["db"]["rejected"])
        self.assertEqual([[(30000,)]], self.database("SELECT count(*) FROM t"))

    def test_an_interrupted_run_leaves_the_database_as_it_was(self):
        self.database("CREATE TABLE t (old)", "INSERT INTO t VALUES ('kept')")
        before = (self.folder / "t.db").read_bytes()
        self.config('''
  rows: { generate: { rows: 1000000000, columns: { id: sequence } } }
  db: { from: rows, sqlite.write: { path: t.db, table: t, mode: replace } }''')
        running = self.start("run", "t.yaml")
        until(lambda: self.spooled() > 1 << 20, 30, "rows are spooled")
        running.signal(signal.SIGINT)
        running.wait(20)
        self.assertEqual(130, running.code, running.text())
        self.assertEqual(before, (self.folder / "t.db").read_bytes())
        self.assertEqual(["t.db", "t.db.t.towpath.spool"], sorted(path.name for path in self.folder.glob("t.db*")))

    # Large enough that its transaction takes a second or two.
    LARGE = '''
  rows: { generate: { rows: 3000000, columns: { id: sequence, text: "words(3, 12)" } } }
  csv: { from: rows, csv.write: out/a.csv }
  db: { from: rows, sqlite.write: { path: out/a.db, table: t } }'''

    def in_transaction(self, of="db"):
        """A run of LARGE whose rows are on their way into the database, and the sink's pid."""
        self.config(self.LARGE)
        running = self.start("run", "t.yaml")
        pid = next(iter(running.wait_for_workers(f"/{of}#")))
        journal = self.folder / "out/a.db-journal"
        until(lambda: journal.exists() or running.ended(), 60, "the transaction")
        self.assertFalse(running.ended(), running.text())
        return running, pid

    def test_an_interrupt_while_rows_go_in_can_be_gone_on_from(self):
        running, _ = self.in_transaction()
        running.signal(signal.SIGINT)
        running.wait(20)
        self.assertEqual(130, running.code, running.text())
        self.assertIn("to go on: towpath resume", running.text())
        self.assertFalse((self.folder / "out/a.csv").exists())
        self.towpath("resume")
        connection = sqlite3.connect(self.folder / "out/a.db")
        self.assertEqual([(3000000,)], connection.execute("SELECT count(*) FROM t").fetchall())
        connection.close()
        self.assertEqual(["a.csv", "a.db"], sorted(path.name for path in self.folder.glob("out/*")))

    def test_the_death_of_a_sink_while_rows_go_in_changes_no_byte(self):
        expected = {}
        for sink in ("none", "db", "csv"):
            running, pid = self.in_transaction(sink if sink != "none" else "db")
            if sink != "none":
                os.kill(pid, signal.SIGKILL)
            running.wait(60)
            self.assertEqual(0, running.code, running.text())
            made = {path.name: path.read_bytes() for path in self.folder.glob("out/*")}
            expected = expected or made
            self.assertEqual(["a.csv", "a.db"], sorted(made))
            for name, image in made.items():
                self.assert_same_bytes(expected[name], image, f"{name} with a death of {sink}")
            shutil.rmtree(self.folder / "out")

    def test_what_a_killed_run_left_half_done_does_not_hinder_the_next(self):
        running, _ = self.in_transaction()
        running.signal(signal.SIGKILL)
        running.wait(20)
        self.assert_nothing_is_left()
        self.assertTrue((self.folder / "out/a.db-journal").exists())
        self.config(self.LARGE.replace("3000000", "3000"))
        self.towpath("run", "t.yaml")
        connection = sqlite3.connect(self.folder / "out/a.db")
        self.assertEqual([(3000,)], connection.execute("SELECT count(*) FROM t").fetchall())
        connection.close()

    def test_the_database_has_the_same_bytes_each_time_and_nothing_but_the_table(self):
        self.config(self.LARGE.replace("3000000", "3000"))
        seen = set()
        for _ in range(3):
            self.towpath("run", "t.yaml")
            seen.add((self.folder / "out/a.db").read_bytes())
            connection = sqlite3.connect(self.folder / "out/a.db")
            self.assertEqual([("t",)], connection.execute("SELECT name FROM sqlite_master").fetchall())
            connection.close()
            (self.folder / "out/a.db").unlink()
        self.assertEqual(1, len(seen))

    def spooled(self):
        return sum(path.stat().st_size for path in self.folder.glob("*.spool"))

    def test_a_table_that_is_there_already_is_named_before_anything_is_written(self):
        self.database("CREATE TABLE t (id)")
        self.config('''
  rows: { generate: { rows: 10, columns: { id: sequence } } }
  csv: { from: rows, csv.write: out.csv }
  db: { from: rows, sqlite.write: { path: t.db, table: t } }''')
        done = self.towpath("run", "t.yaml", code=1)
        self.assertIn("set mode: replace or append", done.text())
        self.assertFalse((self.folder / "out.csv").exists())


if __name__ == "__main__":
    unittest.main()
