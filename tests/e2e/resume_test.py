#!/usr/bin/env python3
"""A run that was killed, interrupted or has failed goes on from its last epoch, and ends as if nothing had been."""
import os
import signal
import sqlite3
import unittest

from harness import TowpathTest, until


class Resume(TowpathTest):
    # Rows are kept in a sort, in groups and in the database's spool; some are refused, by two stages.
    STAGES = '''
  lines: { csv.read: "in*.csv", workers: 2 }
  kept: { from: lines, filter: "100 / qty >= 0" }
  sums: { from: kept, group: { by: qty, n: count(), ids: sum(id) }, workers: 2 }
  sums_csv: { from: sums, csv.write: sums.csv }
  sorted: { from: kept, sort: [qty, id] }
  sorted_csv: { from: sorted, csv.write: sorted.csv }
  db: { from: kept, sqlite.write: { path: t.db, table: t, mode: append } }'''
    OUTPUTS = ("sums.csv", "sorted.csv", "t.db", "rejects")

    def undisturbed(self):
        """Writes input and t.yaml, runs that; → what it makes, by name. Nothing of it stays."""
        for part in range(3):
            rows = (f"{part * 150000 + i},{i * 7919 % 100 if i % 40000 else 0}" for i in range(150000))
            self.write(f"in{part}.csv", "id,qty\n" + "\n".join(rows) + "\n")
        self.config(self.STAGES, "epoch: 100ms\nmax_rejects: 100000")
        self.prepare()
        done = self.towpath("run", "t.yaml", "--json", code=3)
        self.seconds = done.seconds
        made = self.made(done.ledger()["folder"])
        self.prepare()
        return made

    def prepare(self):
        for name in self.OUTPUTS[:2]:
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "t.db").unlink(missing_ok=True)
        connection = sqlite3.connect(self.folder / "t.db")
        connection.execute("CREATE TABLE t (id INTEGER CHECK (id % 50000 != 7), qty INTEGER)")
        connection.execute("INSERT INTO t VALUES (-1, -1)")
        connection.commit()
        connection.close()

    def made(self, run):
        made = {name: self.read(name) for name in ("sums.csv", "sorted.csv")}
        connection = sqlite3.connect(self.folder / "t.db")
        made["t.db"] = "\n".join(map(str, connection.execute("SELECT * FROM t ORDER BY rowid"))).encode()
        connection.close()
        made["rejects"] = self.read(f"{run}/rejects.jsonl")
        return made

    def assert_made(self, expected, run):
        made = self.made(run)
        for name in self.OUTPUTS:
            self.assert_same_bytes(expected[name], made[name], name)
        self.assertEqual([], [path.name for path in self.folder.glob("*.towpath.*")])
        self.assert_nothing_is_left(5)

    def runs(self):
        return sorted((self.folder / ".towpath/runs").iterdir())

    def run_of(self, number=-1):
        return self.runs()[number]

    def epoch_recorded(self):
        """Whether the last run has one."""
        try:
            connection = sqlite3.connect(f"file:{self.run_of()}/run.db?mode=ro", uri=True)
            try:
                return connection.execute("SELECT count(*) FROM epoch").fetchone()[0] > 0
            finally:
                connection.close()
        except (sqlite3.Error, OSError):
            return False

    def begin_and_stop(self, number):
        """A run that is stopped by this signal once it has recorded an epoch."""
        before = self.runs()
        running = self.start("run", "t.yaml", "--json")
        until(lambda: (self.runs() != before and self.epoch_recorded()) or running.ended(), 60, "an epoch")
        self.assertFalse(running.ended(), running.text())
        running.signal(number)
        return running.wait(30)

    def test_behind_kills_of_the_coordinator_changes_no_byte(self):
        expected = self.undisturbed()
        for _ in range(4):
            killed = self.begin_and_stop(signal.SIGKILL)
            self.assertEqual(-signal.SIGKILL, killed.code)
            for _ in range(3):
                going_on = self.start("resume", "--json")
                if going_on.ended_within(self.random.uniform(0.05, self.seconds)):
                    break
                going_on.signal(signal.SIGKILL)
                going_on.wait(20)
            else:
                going_on = self.start("resume", "--json")
            going_on.wait(60)
            self.assertEqual(3, going_on.code, going_on.text())
            self.assert_made(expected, self.run_of())
            self.prepare()

    def test_behind_an_interrupt_changes_no_byte(self):
        expected = self.undisturbed()
        stopped = self.begin_and_stop(signal.SIGINT)
        self.assertEqual(130, stopped.code, stopped.text())
        self.assertIn(f"to go on: towpath resume .towpath/runs/{self.run_of().name}", stopped.text())
        self.towpath("resume", self.run_of(), code=3)
        self.assert_made(expected, self.run_of())
        done = self.towpath("resume", self.run_of(), code=2)
        self.assertIn("is done", done.text())
        self.towpath("resume", code=2)

    def test_refuses_what_has_changed_since_and_goes_on_when_it_is_put_back(self):
        expected = self.undisturbed()
        self.begin_and_stop(signal.SIGKILL)
        text, modified = self.read("in1.csv"), os.stat(self.folder / "in1.csv").st_mtime_ns
        self.write("in1.csv", text + b"1,1\n")
        refused = self.towpath("resume", code=2)
        self.assertIn(f"in1.csv: has {len(text) + 4} bytes, and had {len(text)}", refused.text())
        self.write("in1.csv", text)
        self.assertIn("in1.csv: was written since", self.towpath("resume", code=2).text())
        (self.folder / "in1.csv").rename(self.folder / "away")
        self.assertIn("in1.csv: is gone", self.towpath("resume", code=2).text())
        (self.folder / "away").rename(self.folder / "in1.csv")
        os.utime(self.folder / "in1.csv", ns=(modified, modified))
        config = self.read("t.yaml")
        self.write("t.yaml", config.replace(b"[qty, id]", b"[id, qty]"))
        refused = self.towpath("resume", code=2)
        self.assertIn("+   sorted: { from: kept, sort: [id, qty] }", refused.text())
        self.write("t.yaml", config)
        self.write("in3.csv", "id,qty\n5,5\n")  # it was not there
        self.towpath("resume", code=3)
        self.assert_made(expected, self.run_of())

    def test_does_not_take_files_of_a_later_run_for_its_own(self):
        self.undisturbed()
        first = self.begin_and_stop(signal.SIGKILL)
        self.assertEqual(-signal.SIGKILL, first.code)
        self.begin_and_stop(signal.SIGKILL)
        refused = self.start("resume", self.run_of(1)).wait(30)  # 0: the undisturbed one
        self.assertEqual(1, refused.code, refused.text())
        self.assertIn("is of another run", refused.text())

    def test_refuses_a_run_that_goes_on(self):
        self.config("""
  rows: { generate: { rows: 10000000000, columns: { id: sequence } } }
  csv: { from: rows, csv.write: out.csv }""", "epoch: 50ms")
        running = self.start("run", "t.yaml")
        until(self.epoch_recorded, 30, "an epoch")
        refused = self.towpath("resume", self.run_of(), code=2)
        self.assertIn("goes on", refused.text())
        running.signal(signal.SIGINT)
        running.wait(30)
        self.assertEqual(130, running.code)

    def test_without_an_epoch_there_is_nothing_to_go_on_from(self):
        self.assertIn("no run in", self.towpath("resume", code=2).text())
        self.assertIn("no run's folder", self.towpath("resume", "nobody", code=2).text())


if __name__ == "__main__":
    unittest.main()
