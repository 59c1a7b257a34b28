#!/usr/bin/env python3
"""Each worker is an operating system process of its own, named in `ps`, and small."""
import os
import signal
import statistics
import subprocess
import unittest

from harness import PLAIN, TowpathTest, anonymous_files, memory, until

MIB = 1 << 20


class Processes(TowpathTest):
    def test_ps_shows_each_stage_and_pool_member_by_name(self):
        self.config('''
  rows: { generate: { rows: 100000000000, columns: { id: sequence, qty: "int(0, 20)" } } }
  kept: { from: rows, filter: "qty > 18", workers: 3 }
  sums: { from: kept, group: { by: qty, n: count() }, workers: 2 }
  none: { from: sums, discard: {} }''')
        for method in ("forkserver", "spawn", "fork"):
            with self.subTest(method=method):
                running = self.start("run", "t.yaml", "--start-method", method)
                wanted = {"t/rows#1", "t/kept#1", "t/kept#2", "t/kept#3", "t/sums#1", "t/sums#2", "t/none#1"}
                until(lambda: running.ended() or wanted <= set(running.workers().values()), 20,
                      f"workers {wanted}: {running.workers()}")
                workers = running.workers()
                names = sorted(workers.values())
                self.assertEqual(len(names), len(set(names)), names)
                shown = subprocess.run(["ps", "-o", "args=", "-p", ",".join(map(str, workers))], check=True,
                                       capture_output=True, text=True).stdout
                for name in wanted:
                    self.assertRegex(shown, rf"(?m)^towpath: {name}\b")
                self.assertNotIn(running.pid, workers)
                running.signal(signal.SIGINT)
                running.wait(20)
                self.assertEqual(130, running.code, running.text())

    @unittest.skipUnless(PLAIN, "a sanitizer takes memory of its own")
    def test_an_idle_worker_costs_under_8_mib_of_private_memory(self):
        self.config('''
  rows: { generate: { rows: 100000000000, columns: { id: sequence, qty: "int(0, 20)" } } }
  kept: { from: rows, filter: "qty > 18", workers: 8 }
  none: { from: kept, discard: {} }''')
        running = self.start("run", "t.yaml")
        # With its source stopped, the pool has nothing to do.
        source = next(iter(running.wait_for_workers("/rows#")))
        os.kill(source, signal.SIGSTOP)
        pool = running.wait_for_workers("/kept#", 8)
        private = [memory(pid, "Private_Clean") + memory(pid, "Private_Dirty") for pid in pool]
        os.kill(source, signal.SIGCONT)
        running.signal(signal.SIGINT)
        running.wait(20)
        self.assertEqual(8, len(private))
        self.assertGreater(min(private), 0)
        self.assertLess(statistics.median(private), 8 * MIB, [f"{value / MIB:.1f} MiB" for value in sorted(private)])


class Memory(TowpathTest):
    # A little over 1 GB of rows in columns: 8 + 8 + 4 + about 37 bytes of text.
    ROWS = 18_000_000

    def bounded(self, rows, seconds):
        if not PLAIN:
            self.skipTest("a sanitizer takes memory of its own")
        self.config(f'''
  rows:
    generate:
      rows: {rows}
      columns: {{ id: sequence, qty: "int(0, 999)", text: "words(4, 8)" }}
  kept: {{ from: rows, filter: "qty % 10 != 3", workers: 2 }}
  sums: {{ from: kept, group: {{ by: qty, n: count(), ids: sum(id) }} }}
  csv: {{ from: sums, csv.write: out.csv }}''')
        running = self.start("run", "t.yaml", "--memory", "64MiB", "--json")
        most, arena = {}, 0

        def ended():
            nonlocal arena
            for pid, name in [(running.pid, "coordinator"), *running.workers().items()]:
                try:
                    most[name] = max(most.get(name, 0), memory(pid, "RssAnon"))
                except (OSError, AssertionError):
                    pass  # it is ending
            arena = max(arena, anonymous_files(running.pid))
            return running.ended()

        until(ended, seconds, "the run's end", pause=0.05)
        running.wait()
        self.assertEqual(0, running.code, running.text())
        self.assertGreaterEqual(len(most), 6, most)
        shown = {name: f"{value / MIB:.1f} MiB" for name, value in most.items()}
        for name, value in most.items():
            self.assertLess(value, 60 * MIB, f"{name}: {shown}")
        # The arena, and beside it at most a page or two of counters.
        self.assertGreater(arena, 4 * MIB)
        self.assertLessEqual(arena, 64 * MIB + (64 << 10), shown)
        stages = running.ledger()["stages"]
        self.assertEqual(rows, stages["rows"]["out"])
        self.assertEqual(900, stages["csv"]["in"])
        return stages

    def test_1_gb_of_rows_stay_within_a_memory_of_64_mib(self):
        stages = self.bounded(self.ROWS, 500)
        self.assertGreater(stages["rows"]["bytes"], 1e9)


if __name__ == "__main__":
    unittest.main()
