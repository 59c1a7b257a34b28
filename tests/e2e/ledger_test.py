#!/usr/bin/env python3
"""The closing ledger balances, and rejects are counted, kept and judged."""
import json
import unittest

from harness import TowpathTest


class Ledger(TowpathTest):
    def rejecting(self, head=""):
        """100 rows of which 10 can't be made a number."""
        self.write("in.csv", "id,qty\n" + "".join(f"{i},{'x' if i % 10 == 3 else i}\n" for i in range(100)))
        self.config('''
  rows: { csv.read: { path: in.csv, types: { id: int, qty: string } } }
  numbers: { from: rows, map: { qty: int(qty) }, workers: 2 }
  big: { from: numbers, filter: qty >= 50 }
  csv: { from: big, csv.write: out.csv }''', head)

    def test_json_on_stdout_is_one_object_and_nothing_else(self):
        self.config('''
  rows: { generate: { rows: 1000, columns: { id: sequence } } }
  kept: { from: rows, filter: "id % 4 == 0", workers: 2 }
  csv: { from: kept, csv.write: out.csv }''')
        done = self.towpath("run", "t.yaml", "--json")
        ledger = json.loads(done.output())
        self.assertEqual("done", ledger["status"])
        self.assertGreater(ledger["seconds"], 0)
        self.assertTrue((self.folder / ".towpath/runs" / ledger["run"]).is_dir())
        for stage in ledger["stages"]:
            self.assertLessEqual({"name", "workers", "restarts", "leases", "in", "out", "filtered", "rejected", "bytes"},
                                 set(stage))
        stages = {stage["name"]: stage for stage in ledger["stages"]}
        self.assertEqual((0, 1000), (stages["rows"]["in"], stages["rows"]["out"]))
        self.assertEqual((1000, 250, 750, 0), tuple(stages["kept"][key] for key in ("in", "out", "filtered", "rejected")))
        self.assertEqual(250, stages["csv"]["in"])
        self.assertEqual([2, 0], [stages["kept"]["workers"], stages["kept"]["restarts"]])

    def test_rows_released_are_rows_taken_by_each_reader(self):
        self.config('''
  rows: { generate: { rows: 50000, columns: { id: sequence, qty: "int(0, 20)" } } }
  kept: { from: rows, steps: [{ filter: qty > 3 }, { map: { twice: qty * 2 } }], workers: 4 }
  sums: { from: kept, group: { by: qty, n: count() }, workers: 2 }
  a: { from: kept, csv.write: a.csv }
  b: { from: sums, csv.write: b.csv }
  c: { from: sums, discard: {} }''')
        stages = self.towpath("run", "t.yaml", "--json").ledger()["stages"]
        kept = stages["kept"]
        self.assertEqual(stages["rows"]["out"], kept["in"])
        self.assertEqual(kept["in"], kept["out"] + kept["filtered"] + kept["rejected"])
        self.assertEqual(kept["out"], stages["a"]["in"])
        self.assertEqual(len(self.read("a.csv").splitlines()) - 1, stages["a"]["in"])
        self.assertEqual(17, stages["b"]["in"])
        self.assertEqual(17, stages["c"]["in"])

    def test_a_run_that_rejected_a_row_exits_3_and_keeps_it_with_place_and_reason(self):
        self.rejecting("max_rejects: 10")
        done = self.towpath("run", "t.yaml", "--json", code=3)
        stages = done.ledger()["stages"]
        self.assertEqual((100, 90, 0, 10), tuple(stages["numbers"][key] for key in ("in", "out", "filtered", "rejected")))
        self.assertEqual((90, 50 - 5, 90 - 45), tuple(stages["big"][key] for key in ("in", "out", "filtered")))
        file = self.folder / ".towpath/runs" / done.ledger()["run"] / "rejects.jsonl"
        rejects = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual(10, len(rejects))
        self.assertEqual([("numbers", "in.csv", 5 + 10 * i) for i in range(10)],
                         [(row["stage"], row["file"], row["line"]) for row in rejects])
        for row in rejects:
            self.assertIn("x", row["reason"])
            self.assertIn('"x"', row["raw"])

    def test_one_reject_above_max_rejects_stops_the_run(self):
        self.rejecting("max_rejects: 9")
        done = self.towpath("run", "t.yaml", code=1)
        self.assertRegex(done.text(), r"10 .*reject|reject.* 10|max_rejects")
        self.assertFalse((self.folder / "out.csv").exists())
        self.assert_nothing_is_left()

    def test_no_reject_is_allowed_where_nothing_is_said(self):
        self.rejecting()
        done = self.towpath("run", "t.yaml", code=1)
        self.assertIn("max_rejects", done.text())
        self.assertFalse((self.folder / "out.csv").exists())

    def test_rejects_are_the_same_for_any_number_of_workers(self):
        self.rejecting("max_rejects: 100")
        seen = set()
        for workers in (1, 2, 4, 8):
            done = self.towpath("run", "t.yaml", "--json", "--workers", f"numbers={workers}", "--batch-rows", 7, code=3)
            seen.add((self.folder / ".towpath/runs" / done.ledger()["run"] / "rejects.jsonl").read_bytes())
        self.assertEqual(1, len(seen), seen)

    def test_the_run_folder_is_for_its_owner_alone(self):
        self.config('''
  rows: { generate: { rows: 10, columns: { id: sequence } } }
  none: { from: rows, discard: {} }''')
        ledger = self.towpath("run", "t.yaml", "--json").ledger()
        run = self.folder / ".towpath/runs" / ledger["run"]
        self.assertEqual(0o700, run.stat().st_mode & 0o777)
        self.assertTrue((run / "run.db").is_file())


if __name__ == "__main__":
    unittest.main()
