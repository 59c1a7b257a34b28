#!/usr/bin/env python3
"""What stages keep between batches counts against `memory:`; passing it ends the run by name."""
import random
import re
import unittest

from harness import PLAIN, TowpathTest, memory, until

MIB = 1 << 20


class State(TowpathTest):
    # About 100 MB of rows: 8 + 8 + 4 + 60 bytes and where they come from.
    ROWS = 1_100_000

    def watch(self, running, worker, seconds=120):
        """Runs to its end; the most private memory that the worker was seen with."""
        most = 0

        def ended():
            nonlocal most
            for pid in running.workers(worker):
                most = max(most, memory(pid, "RssAnon"))
            return running.ended()

        until(ended, seconds, "the run's end", pause=0.01)
        running.wait()
        return most

    def sort(self, *arguments):
        self.config(f'''
  rows: {{ generate: {{ rows: {self.ROWS}, columns: {{ id: sequence, key: "int(0, 999999999)", text: "words(8, 12)" }} }} }}
  sorted: {{ from: rows, sort: key }}
  csv: {{ from: sorted, csv.write: out.csv }}''')
        return self.start("run", "t.yaml", "--json", *arguments)

    def test_a_sort_that_passes_memory_ends_the_run_and_is_named(self):
        running = self.sort("--memory", "64MiB")
        most = self.watch(running, "/sorted#")
        self.assertEqual(1, running.code, running.text())
        self.assertRegex(running.text(), r'stage "sorted" \(sort\) keeps \d+\.\d MiB of state; memory: 64\.0 MiB has '
                                         r'room for 60\.0 MiB.*raise memory:')
        self.assertEqual([], [path.name for path in self.folder.glob("out*")])
        if PLAIN:
            self.assertLess(most, 80 * MIB)
        kept = running.ledger()["stages"]["sorted"]["state"]
        self.assertGreater(kept, 60 * MIB)
        self.assertLess(kept, 70 * MIB)

    def test_with_enough_memory_it_runs_within_it(self):
        running = self.sort("--memory", "512MiB")
        most = self.watch(running, "/sorted#")
        self.assertEqual(0, running.code, running.text())
        kept = running.ledger()["stages"]["sorted"]["state"]
        self.assertGreater(kept, 100 * MIB)
        if PLAIN:
            # The flush takes no more than was counted.
            self.assertLess(most, kept + 20 * MIB)
        keys = [int(line.split(b",")[1]) for line in self.read("out.csv").splitlines()[1:]]
        self.assertEqual(self.ROWS, len(keys))
        self.assertEqual(sorted(keys), keys)

    def test_a_group_of_too_many_keys_is_named_with_its_pool(self):
        self.config('''
  rows: { generate: { rows: 2000000, columns: { id: sequence } } }
  each: { from: rows, group: { by: id, n: count() }, workers: 2 }
  none: { from: each, discard: {} }''')
        done = self.towpath("run", "t.yaml", "--memory", "64MiB", code=1)
        self.assertRegex(done.text(), r'stage "each" \(group\) keeps \d+\.\d MiB')

    def test_a_reader_in_one_process_with_a_sort_tells_of_it_too(self):
        rnd = random.Random(1)
        lines = "".join(f"{rnd.random()} {'x' * 80}\n" for _ in range(10_000))
        with open(self.folder / "in.txt", "w") as file:
            for _ in range(120):
                file.write(lines)
        self.config('''
  names: { files: in.txt }
  sorted:
    from: names
    steps:
      - text.read: {}
      - sort: line
  none: { from: sorted, discard: {} }''')
        running = self.start("run", "t.yaml", "--memory", "32MiB")
        most = self.watch(running, "/sorted#")
        self.assertEqual(1, running.code, running.text())
        self.assertRegex(running.text(), r'stage "sorted" \(sort\) keeps')
        if PLAIN:
            self.assertLess(most, 60 * MIB)

    def test_a_small_memory_is_enough_for_a_small_state(self):
        self.config('''
  rows: { generate: { rows: 3000000, columns: { id: sequence, qty: "int(0, 999)" } } }
  sums: { from: rows, group: { by: qty, n: count() } }
  top: { from: sums, top: { n: 5, by: qty } }
  csv: { from: top, csv.write: out.csv }''')
        least = int(re.search(r"needs at least (\d+)MiB", self.towpath(
            "check", "t.yaml", "--memory", "1MiB", code=2).text()).group(1))
        self.towpath("run", "t.yaml", "--memory", f"{least}MiB")
        self.assertEqual(6, len(self.read("out.csv").splitlines()))


if __name__ == "__main__":
    unittest.main()
