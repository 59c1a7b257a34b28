#!/usr/bin/env python3
"""kill -9 of workers changes nothing."""
import gzip
import os
import pathlib
import signal
import unittest

from harness import TowpathTest, counted_words, csv_bytes, until, zipf_text

MOST_KILLS = 50


def bytes_read_of(pid, path):
    """How far the process is in a file that it reads; 0 when it has not opened it."""
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.readlink(entry) == str(path):
                return int(pathlib.Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().split()[1])
        except OSError:
            pass  # closed meanwhile
    return 0


class Kills(TowpathTest):
    def kill_while_it_runs(self, names, *arguments, seldom=False):
        """Runs t.yaml undisturbed, then again with a kill -9 of a random worker of those that match, every
        200 ms (more often where the whole takes but a second); → the second run. Seldom: one that begins
        again from afar has to come forward."""
        undisturbed = self.towpath("run", "t.yaml", "--quiet", *arguments, seconds=200)
        expected = self.read("out.csv")
        (self.folder / "out.csv").unlink()
        period = max(0.03, min(0.2, undisturbed.seconds / 8))
        running = self.start("run", "t.yaml", "--json", *arguments)
        if seldom:
            period = undisturbed.seconds / 4
        kills = 0
        # A busy machine may take longer than that to replace a worker: in the end it is let go.
        while not running.ended_within(period) and kills < MOST_KILLS:
            targets = sorted(running.workers(names))
            if targets:
                try:
                    os.kill(self.random.choice(targets), signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass  # it ended by itself
        running.wait(200)
        self.assertEqual(0, running.code, running.text())
        self.assert_same_bytes(expected, self.read("out.csv"), "with and without kills")
        # The last ones may have been killed when nothing was left to do.
        self.assertGreaterEqual(kills, 1 if seldom else 3, f"the run was too short to be killed: {running.seconds} s")
        went_on = running.restarts() + running.ledger()["rewinds"]
        self.assertGreaterEqual(went_on, 1, running.output())
        self.assertLessEqual(went_on, kills, running.output())
        return running

    def word_count(self, copies=6, size=16 << 20, reader="workers: 2"):
        text = zipf_text(self.folder / "text.txt", size)
        for i in range(copies):
            (self.folder / f"in{i}.txt").symlink_to(text)
        self.config(f'''
  lines: {{ text.read: "in*.txt", {reader} }}
  words: {{ from: lines, text.words: {{}}, workers: 2 }}
  count: {{ from: words, group: {{ by: word, count: count() }} }}
  csv: {{ from: count, csv.write: out.csv }}''')
        return [text] * copies

    def expect_same_words(self, method):
        expected = counted_words(self.word_count())
        self.kill_while_it_runs(r"/(lines|lines\.files|words)#", "--start-method", method)
        self.assert_same_bytes(expected, self.read("out.csv"), "word count")

    def test_of_readers_and_stateless_workers_change_no_byte_with_forkserver(self):
        self.expect_same_words("forkserver")

    def test_of_readers_and_stateless_workers_change_no_byte_with_spawn(self):
        self.expect_same_words("spawn")

    def test_of_readers_and_stateless_workers_change_no_byte_with_fork(self):
        self.expect_same_words("fork")

    def test_of_a_source_go_on_after_its_last_committed_row(self):
        self.config('''
  rows: { generate: { rows: 10000000, columns: { id: sequence, qty: "int(0, 20)" } } }
  kept: { from: rows, filter: "qty > 9", workers: 2 }
  sums: { from: kept, group: { by: qty, n: count(), ids: sum(id), least: min(id), most: max(id) } }
  csv: { from: sums, csv.write: out.csv }''')
        running = self.kill_while_it_runs("/(rows|kept)#")
        self.assertEqual(12, len(self.read("out.csv").splitlines()))
        self.assertEqual(10_000_000, running.ledger()["stages"]["rows"]["out"])

    def test_of_a_csv_reader_go_on_inside_the_file(self):
        with open(self.folder / "in.csv", "w") as file:
            file.write("id,note,qty\n")
            for block in range(20):
                file.write("".join(f'{i},"a ""note"", of\ntwo lines {i % 97}",{i % 13}\n'
                                   for i in range(block * 100_000, (block + 1) * 100_000)))
        self.config('''
  rows: { csv.read: { path: in.csv } }
  kept: { from: rows, filter: "qty != 5", workers: 2 }
  sums: { from: kept, group: { by: [note], n: count(), ids: sum(id) } }
  csv: { from: sums, csv.write: out.csv }''')
        notes = {}
        for i in range(2_000_000):
            if i % 13 != 5:
                note = notes.setdefault(f'a "note", of\ntwo lines {i % 97}', [0, 0])
                note[0] += 1
                note[1] += i
        expected = csv_bytes(["note", "n", "ids"], [[note, *sums] for note, sums in sorted(notes.items())])
        self.kill_while_it_runs("/(rows|rows.files|kept)#")
        self.assert_same_bytes(expected, self.read("out.csv"), "sums")

    def test_of_a_reader_inside_a_compressed_file_change_no_byte(self):
        text = zipf_text(self.folder / "text.txt", 48 << 20)
        with open(text, "rb") as plain, gzip.open(self.folder / "in.gz", "wb", 1) as packed:
            while block := plain.read(1 << 20):
                packed.write(block)
        self.config('''
  lines: { text.read: in.gz }
  words: { from: lines, text.words: {}, workers: 2 }
  count: { from: words, group: { by: word, count: count() } }
  csv: { from: count, csv.write: out.csv }''')
        self.kill_while_it_runs("/(lines|words)#")
        self.assert_same_bytes(counted_words([text]), self.read("out.csv"), "word count")

    def test_of_a_reader_whose_file_was_replaced_end_the_run_and_name_it(self):
        text = "a,b\n" + f"1,{'x' * 46}\n" * 1_500_000
        path = self.write("in.csv", text)
        self.write("next.csv", text.replace("1,x", "2,y"))
        self.config("""
  rows: { csv.read: in.csv }
  csv: { from: rows, csv.write: out.csv }""", "memory: 64MiB")
        running = self.start("run", "t.yaml", "--quiet")
        sink = next(iter(running.wait_for_workers("/csv#")))
        reader = next(iter(running.wait_for_workers("/rows#")))
        os.kill(sink, signal.SIGSTOP)  # so the reader stays inside the file
        until(lambda: running.ended() or bytes_read_of(reader, path) > 8 << 20, 20, "the reader is inside the file")
        os.rename(self.folder / "next.csv", path)
        os.kill(reader, signal.SIGKILL)
        os.kill(sink, signal.SIGCONT)
        running.wait()
        self.assertEqual(1, running.code, running.text())
        self.assertRegex(running.text(), "in.csv: it was replaced by another file while it was read")
        self.assertFalse((self.folder / "out.csv").exists())

    def test_of_stateless_workers_keep_the_order_of_rows(self):
        self.config('''
  rows: { generate: { rows: 3000000, columns: { id: sequence, qty: "int(0, 20)" } } }
  more: { from: rows, map: { twice: id * 2, even: qty % 2 == 0 }, workers: 4 }
  csv: { from: more, csv.write: out.csv }''')
        self.kill_while_it_runs("/(rows|more)#")
        killed = self.read("out.csv")
        self.towpath("run", "t.yaml", "--quiet", "--workers", "more=1", seconds=200)
        self.assert_same_bytes(self.read("out.csv"), killed, "rows")


class StatefulKills(Kills):
    """What a stage had gathered and what a sink had not made visible is lost with its process: the run goes back
    to its last epoch, and ends as if nothing had been."""

    SUMS = '''
  rows: {{ generate: {{ rows: 12000000, columns: {{ id: sequence, qty: "int(0, 20)" }} }} }}
  kept: {{ from: rows, filter: "qty > 9", workers: 2 }}
  sums: {{ from: kept, group: {{ by: qty, n: count(), ids: sum(id) }} {options} }}
  some: {{ from: kept, filter: "id % 10 == 0" }}
  rest: {{ from: some, csv.write: rest.csv }}
  csv: {{ from: sums, csv.write: out.csv }}'''

    def expect_same(self, victims, options="", epoch="150ms", rewinds=1):
        self.config(self.SUMS.format(options=options), f"epoch: {epoch}")
        self.towpath("run", "t.yaml", "--quiet", seconds=200)
        rest = self.read("rest.csv")
        (self.folder / "rest.csv").unlink()
        ledger = self.kill_while_it_runs(victims, seldom=True).ledger()
        self.assertGreaterEqual(ledger["rewinds"], rewinds)
        self.assert_same_bytes(rest, self.read("rest.csv"), "rest.csv with and without kills")
        self.assert_nothing_is_left()

    def test_of_a_group_change_no_byte(self):
        self.expect_same("/sums#")

    def test_of_members_of_a_keyed_pool_and_its_merge_change_no_byte(self):
        self.expect_same(r"/sums(\.merge)?#", ", workers: 2")

    def test_of_sinks_change_no_byte(self):
        self.expect_same("/(csv|rest)#")

    def test_of_anything_change_no_byte(self):
        self.expect_same("", ", workers: 2", rewinds=0)

    def test_before_the_first_epoch_begin_the_run_anew(self):
        self.expect_same("/(sums|rest)#", epoch="1h")


if __name__ == "__main__":
    unittest.main()
