#!/usr/bin/env python3
"""However a run ends, nothing of it is left: no process, no socket, no half-written file."""
import fcntl
import os
import shutil
import signal
import subprocess
import time
import unittest

from harness import PLAIN, PROGRAM, TowpathTest, descendants, open_files, until


class Ends(TowpathTest):
    def endless(self):
        """A run that would take hours, once its workers are at work and its sink has begun its file."""
        self.config('''
  rows: { generate: { rows: 100000000000, columns: { id: sequence, qty: "int(0, 20)" } } }
  kept: { from: rows, filter: "qty > 18", workers: 2 }
  few: { from: kept, filter: "id % 1000 == 0" }
  csv: { from: few, csv.write: out/rows.csv }''')
        running = self.start("run", "t.yaml")
        until(lambda: running.ended() or list(self.folder.glob("out/*.partial")), 20, "a partial file")
        self.assertFalse(running.ended(), running.text())
        return running

    def assert_no_file(self):
        self.assertEqual([], [path.name for path in self.folder.glob("out/*")])

    def assert_can_go_on(self, running):
        """Nothing is published, and nothing is lost."""
        self.assertEqual(["rows.csv.towpath.partial"], [path.name for path in self.folder.glob("out/*")])
        self.assertIn("to go on: towpath resume .towpath/runs/", running.text())
        self.assert_nothing_is_left()

    def a_thousand_rows(self):
        self.config('''
  rows: { generate: { rows: 1000, columns: { id: sequence } } }
  csv: { from: rows, csv.write: out/rows.csv }''')

    def test_an_interrupt_stops_the_run_with_130_and_says_how_it_goes_on(self):
        running = self.endless()
        running.signal(signal.SIGINT)
        running.signal(signal.SIGINT)  # as `timeout` does it: to the process, and to its group
        running.wait(20)
        self.assertEqual(130, running.code, running.text())
        self.assertIn(f"interrupted by SIGINT from pid {os.getpid()} ", running.text())
        self.assert_can_go_on(running)

    def test_an_interrupt_before_anything_runs_ends_with_130_too(self):
        os.mkfifo(self.folder / "t.yaml")
        running = self.start("run", "t.yaml")
        # Once somebody opens the other end, the program is reading its config.
        with open(self.folder / "t.yaml", "w"):
            running.signal(signal.SIGTERM)
            running.wait(20)
        self.assertEqual(130, running.code, running.text())
        self.assertIn("interrupted before the run began", running.text())
        self.assert_nothing_is_left()

    def test_a_reader_of_standard_output_that_leaves_ends_the_run_with_one_clear_line(self):
        self.config('''
  rows: { generate: { rows: 100000000000, columns: { id: sequence } } }
  show: { from: rows, print: tsv }''')
        reading, writing = os.pipe()
        process = subprocess.Popen([str(PROGRAM), "run", "t.yaml", "--quiet"], cwd=self.folder, env=self.env,
                                   stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        self.assertEqual(b"id\n1\n", os.read(reading, 5))
        os.close(reading)
        said = process.communicate(timeout=20)[1].decode()
        self.assertEqual(1, process.returncode, said)
        self.assertRegex(said, 'stage "show" .*the reader of standard output has gone')
        self.assertNotIn("SIGPIPE", said)
        self.assert_nothing_is_left()

    def test_a_run_without_standard_streams_writes_what_it_should(self):
        self.a_thousand_rows()
        shell = f'exec "{PROGRAM}" run t.yaml <&- >&- 2>&-'
        self.assertEqual(0, subprocess.run(["sh", "-c", shell], cwd=self.folder, env=self.env, timeout=20).returncode)
        self.assertEqual(["id", *map(str, range(1, 1001))], self.read("out/rows.csv").decode().split())
        self.assert_nothing_is_left()

    def test_every_worker_holds_the_lock_of_the_run_while_it_lives(self):
        running = self.endless()
        lock, = self.folder.glob(".towpath/runs/*/run.lock")
        workers = running.workers()
        self.assertGreaterEqual(len(workers), 5)
        for pid, name in workers.items():
            self.assertIn(str(lock.resolve()), open_files(pid), name)
        with open(lock) as file:
            self.assertFalse(self.can_lock(file))
            running.signal(signal.SIGKILL)
            running.wait(5)
            until(lambda: not descendants(), 1.0, "no process but zombies")
            until(lambda: self.can_lock(file), 1.0, "the lock is free")

    def can_lock(self, file):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def test_a_terminate_or_a_closed_terminal_stops_the_run_as_an_interrupt_does(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            running = self.endless()
            running.signal(number)
            running.wait(20)
            self.assertEqual(130, running.code, running.text())
            self.assert_can_go_on(running)
            shutil.rmtree(self.folder / "out")

    def test_a_closed_terminal_does_not_end_a_run_under_nohup(self):
        self.config('''
  rows: { generate: { rows: 100000000000, columns: { id: sequence } } }
  csv: { from: rows, csv.write: out/rows.csv }''')
        process = subprocess.Popen(["bash", "-c", f'trap "" HUP; exec "{PROGRAM}" run t.yaml'], cwd=self.folder,
                                   env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        until(lambda: list(self.folder.glob("out/*.partial")), 20, "a partial file")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[1].decode()
        self.assertEqual(130, process.returncode, said)
        self.assertIn("SIGTERM", said)
        self.assertNotIn("SIGHUP", said)
        self.assert_nothing_is_left()

    def test_too_few_descriptors_for_the_workers_are_said_before_anything_starts(self):
        self.config('''
  rows: { generate: { rows: 1000, columns: { id: sequence } } }
  more: { from: rows, filter: id > 0, workers: 8 }
  csv: { from: more, csv.write: out/rows.csv }''')
        done = self.limited("ulimit -n 48")
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn("about 104 descriptors, and 48 are allowed", done.stderr)
        self.assert_no_file()
        # A soft limit is raised by as much as it takes.
        done = self.limited("ulimit -Sn 48")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(1001, len(self.read("out/rows.csv").splitlines()))
        self.assert_nothing_is_left()

    def test_a_limit_on_file_sizes_is_an_error_and_not_a_death(self):
        self.a_thousand_rows()
        done = self.limited("ulimit -f 1000")
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn("ulimit -f unlimited", done.stderr)
        self.assert_nothing_is_left()

    @unittest.skipUnless(PLAIN, "a sanitizer takes addresses of its own")
    def test_a_limit_on_addresses_is_said_with_the_way_out(self):
        self.a_thousand_rows()
        done = self.limited("ulimit -v 2000000")
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertRegex(done.stderr, r"shared memory takes .* of addresses, .* a process may have 1\.9 GiB: raise the "
                                      r"limit \(ulimit -v unlimited\), or give the run less memory \(memory: in the YAML")
        self.assert_nothing_is_left()

    @unittest.skipUnless(os.getuid() == 0 and PLAIN, "the limit holds for root no more than for others' processes")
    def test_too_few_threads_are_said_and_no_death(self):
        user = 54321  # nobody's: the limit counts what runs as the user
        if subprocess.run(["test", "-x", PROGRAM], user=user, group=user, extra_groups=[]).returncode != 0:
            self.skipTest("the program lies where another user may not go")
        for path in (self.folder, self.runtime):
            os.chown(path, user, user)
        self.a_thousand_rows()
        codes = []
        for most in range(1, 30):
            done = self.limited(f"ulimit -u {most}", user=user, group=user, extra_groups=[])
            self.assertNotIn("SIGABRT", done.stderr, most)
            self.assertIn(done.returncode, (0, 1, 2), f"{most}: {done.stderr}")
            if done.returncode != 0:
                self.assertIn("ulimit -u", done.stderr, most)
            codes.append(done.returncode)
            self.assert_nothing_is_left()
            if done.returncode == 0:
                break
        self.assertEqual(0, codes[-1])
        self.assertIn(1, codes)

    def limited(self, limit, **more):
        return subprocess.run(["bash", "-c", f'{limit}; exec "{PROGRAM}" run t.yaml'], cwd=self.folder, env=self.env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, **more)

    def test_a_run_folder_that_can_not_be_written_leaves_no_partial_file(self):
        self.config('''
  rows: { generate: { rows: 100000000000, columns: { id: sequence } } }
  csv: { from: rows, csv.write: out/rows.csv }''')
        done = self.towpath("run", "t.yaml", "--run-dir", "", code=2)
        self.assertIn("names no folder", done.text())
        self.write("runs", "a file where a folder should be")
        done = self.towpath("run", "t.yaml", "--run-dir", "runs", code=1)
        self.assertIn("runs", done.text())
        self.assert_no_file()
        self.assert_nothing_is_left()

    def test_a_second_interrupt_stops_at_once(self):
        running = self.endless()
        # What a stopped worker holds is not done in time: only the second ends the run.
        for pid in running.workers("/kept#"):
            os.kill(pid, signal.SIGSTOP)
        running.signal(signal.SIGINT)
        log = next(self.folder.glob(".towpath/runs/*/log"))
        until(lambda: "SIGINT" in log.read_text(), 10, "the first one is known")
        begin = time.monotonic()
        while not running.ended_within(0.2):  # one that comes at once is taken for the first
            running.signal(signal.SIGINT)
        running.wait(20)
        self.assertLess(time.monotonic() - begin, 4)
        self.assertEqual(130, running.code, running.text())
        self.assertFalse((self.folder / "out/rows.csv").exists())
        self.assert_nothing_is_left()

    def test_an_interrupt_to_the_whole_terminal_is_for_the_coordinator_alone(self):
        running = self.endless()
        for pid in descendants():
            os.kill(pid, signal.SIGINT)
        running.wait(20)
        self.assertEqual(130, running.code, running.text())
        self.assertNotRegex(running.text(), "(?i)killed by signal 2|died")
        self.assert_can_go_on(running)

    def test_a_killed_coordinator_takes_every_process_with_it_within_a_second(self):
        running = self.endless()
        self.assertGreaterEqual(len(running.workers()), 5)
        running.signal(signal.SIGKILL)
        until(lambda: not descendants(), 1.0, "no process but zombies")
        running.wait(5)
        self.assert_nothing_is_left()

    def test_a_coordinator_killed_at_any_moment_of_its_start_leaves_no_process(self):
        self.config('''
  rows: { generate: { rows: 100000000000, columns: { id: sequence } } }
  none: { from: rows, discard: {} }''')
        for milliseconds in (1, 3, 6, 10, 15, 20, 30, 40, 60, 80, 100, 150):
            running = self.start("run", "t.yaml", "--quiet")
            until(lambda: time.monotonic() > running.begin + milliseconds / 1000, 1, "the moment")
            running.signal(signal.SIGKILL)
            until(lambda: not descendants(), 1.0, f"no process but zombies, killed after {milliseconds} ms")
            running.wait(5)

    def test_a_run_after_a_killed_one_works_in_the_same_folder(self):
        running = self.endless()
        running.signal(signal.SIGKILL)
        running.wait(5)
        self.config('''
  rows: { generate: { rows: 10, columns: { id: sequence } } }
  csv: { from: rows, csv.write: out/rows.csv }''')
        self.towpath("run", "t.yaml")
        self.assertEqual(11, len(self.read("out/rows.csv").splitlines()))
        self.assert_nothing_is_left()

    def test_a_finished_run_leaves_nothing_in_the_process_table_dev_shm_or_the_runtime_folder(self):
        before = set(os.listdir("/dev/shm"))
        self.config('''
  rows: { generate: { rows: 100000, columns: { id: sequence, qty: "int(0, 20)" } } }
  sums: { from: rows, group: { by: qty, n: count() }, workers: 2 }
  csv: { from: sums, csv.write: out/rows.csv }''')
        for method in ("forkserver", "spawn", "fork"):
            self.towpath("run", "t.yaml", "--start-method", method)
            self.assert_nothing_is_left()
        running = self.endless()
        running.signal(signal.SIGKILL)
        running.wait(5)
        self.assert_nothing_is_left()
        until(lambda: not self.of_a_run(set(os.listdir("/dev/shm")) - before), 1, "/dev/shm as before")

    def of_a_run(self, names):
        """Without what other programs, or tests beside this one, put there."""
        return [name for name in names if "towpath" in name and not self.has_living_owner(name)]

    def has_living_owner(self, name):
        return any(part.isdigit() and os.path.exists(f"/proc/{part}") for part in name.replace("-", ".").split("."))

    def test_a_stage_that_can_not_open_its_input_ends_the_run_before_it_writes(self):
        self.config('''
  lines: { text.read: "no/such/*.txt" }
  csv: { from: lines, csv.write: out/rows.csv }''')
        running = self.start("run", "t.yaml").wait(20)
        self.assertIn(running.code, (1, 2), running.text())
        self.assertIn("no/such/*.txt", running.text())
        self.assert_no_file()
        self.assert_nothing_is_left()

    def test_a_sink_that_can_not_write_ends_the_run_by_name(self):
        self.write("out/rows.csv.towpath.partial/x", "a folder where a file should be")
        self.config('''
  rows: { generate: { rows: 10, columns: { id: sequence } } }
  csv: { from: rows, csv.write: out/rows.csv }''')
        running = self.start("run", "t.yaml").wait(20)
        self.assertEqual(1, running.code, running.text())
        self.assertIn("csv", running.text())
        self.assertIn("out/rows.csv", running.text())
        self.assertFalse((self.folder / "out/rows.csv").exists())
        self.assert_nothing_is_left()


if __name__ == "__main__":
    unittest.main()
