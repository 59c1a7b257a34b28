"""Programs that are killed at random instants, and what is left of them: nothing."""
import ctypes
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ["TOWPATH_BUILD"]) / "bin"
PROGRAM = BIN / "hygiene_everything"
KILLS = BIN / "hygiene_kills"
PR_SET_CHILD_SUBREAPER = 36
SOON = 30  # seconds, on a busy machine


def descendants():
    """Processes below this one that are no zombies, each behind its parent."""
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            parents.setdefault(int(parent), []).append(int(path.parent.name))
    found = list(parents.get(os.getpid(), []))
    for pid in found:
        found += parents.get(pid, [])
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def title(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return f"{pid}, which has ended meanwhile"


class HygieneTest(unittest.TestCase):
    def setUp(self):
        # What loses its parent becomes this process's child: nothing gets away.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.sockets = pathlib.Path(folder.name)
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=folder.name)
        self.random = random.Random(4711)

    def kill_at_random(self, method):
        """Starts a program, kills some or all of its processes at some instant, and returns its folder."""
        program = subprocess.Popen([PROGRAM, method], env=self.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        folder = pathlib.Path(program.stdout.readline().strip())
        deadline = time.monotonic() + self.random.expovariate(1 / 0.1)
        one_by_one = self.random.random() < 0.5
        while time.monotonic() < deadline:
            time.sleep(min(0.02, max(0.0, deadline - time.monotonic())))  # the random instant
            others = [pid for pid in descendants() if pid != program.pid]
            if one_by_one and others:
                kill(self.random.choice(others))
        victims = descendants() if self.random.random() < 0.3 else [program.pid]
        for pid in victims:
            kill(pid)
        program.wait()
        program.stdout.close()
        return folder

    def await_end_of_all(self, what):
        deadline = time.monotonic() + SOON
        while left := descendants():
            if time.monotonic() > deadline:
                self.fail(f"{what}: {[title(pid) for pid in left]} live on")
            reap()
            time.sleep(0.005)
        reap()

    def assert_nothing_left(self, folders):
        """Of these sessions: neither a folder nor one that a remover has moved away, nor a socket."""
        self.assertTrue(all(folder.parts[:3] == ("/", "dev", "shm") for folder in folders), folders)
        roots = {folder.parent for folder in folders}
        names = [path for root in roots if root.exists() for path in root.iterdir()]
        self.assertEqual([], [path for path in names if any(folder.name in path.name for folder in folders)])
        self.assertEqual([], [path for path in self.sockets.rglob("*") if not path.is_dir()])

    def kills_leave_nothing(self, kills, seed, timeout):
        print(f"{kills} kills, seed {seed}", flush=True)
        # Into a file: the end of a pipe comes with the last process that has it.
        with tempfile.TemporaryFile("w+") as out:
            program = subprocess.Popen([KILLS, str(kills), str(seed)], env=self.environment, stdout=out)
            try:
                code = program.wait(timeout)
            finally:
                program.kill()
            out.seek(0)
            folder, *counts = out.read().splitlines()
        print("\n".join(counts))
        self.assertEqual(0, code)
        self.assertEqual(7, len(counts))  # four lines of queues, the lock, the pool, the others
        self.await_end_of_all("behind the kills")
        # The keeper lives, so nobody has to sweep.
        self.assert_nothing_left([pathlib.Path(folder)])

    def runs_leave_nothing(self, runs):
        folders = []
        for run in range(runs):
            method = ("forkserver", "spawn", "fork")[run % 3]
            folders.append(self.kill_at_random(method))
            self.await_end_of_all(f"run {run}, {method}")
        self.assertEqual(runs, len(set(folders)))
        # Where even the keeper was killed, the next program sweeps.
        subprocess.run([PROGRAM], env=self.environment, check=True)
        self.assert_nothing_left(folders)
        print(f"{runs} runs were killed; nothing is left")
