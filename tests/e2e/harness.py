"""What the end-to-end tests share: a folder per test, the program run in it, and eyes on its processes.

The test process makes itself the reaper of orphans, so whatever a run leaves behind is found among its
descendants, however it was started. Nothing here knows more of Towpath than a user can: the command
line, the files it writes, the names in `ps`.
"""
import csv
import ctypes
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TOWPATH_BUILD", ROOT / "build/release"))
PROGRAM = BUILD / "bin/towpath"
# Sanitizers take memory and time of their own: what is measured is measured without them.
PLAIN = BUILD.name not in ("asan", "tsan")
PR_SET_CHILD_SUBREAPER = 36
PAGE = os.sysconf("SC_PAGESIZE")

ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def until(holds, seconds, what, pause=0.004):
    """Polls until `holds()` is true and returns its value; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def processes():
    """pid → (parent, state) of all processes."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    # The name in parentheses may hold anything.
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(entry)] = (int(fields[1]), fields[0])
    return found


def descendants(pid=None):
    """pids of all living processes below `pid` (default: this one); zombies don't count."""
    table = processes()
    children = {}
    for child, (parent, _) in table.items():
        children.setdefault(parent, []).append(child)
    found, todo = [], [pid or os.getpid()]
    while todo:
        for child in children.get(todo.pop(), ()):
            todo.append(child)
            if table[child][1] not in "ZX":
                found.append(child)
    return found


def title(pid):
    """The command line as `ps` shows it; empty when the process is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def memory(pid, field):
    """A field of /proc/PID/status or smaps_rollup in bytes; 0 when the process is gone."""
    for name in ("status", "smaps_rollup"):
        try:
            with open(f"/proc/{pid}/{name}") as file:
                for line in file:
                    if line.startswith(field + ":"):
                        return int(line.split()[1]) * 1024
        except OSError:
            return 0
    raise AssertionError(f"no field {field}")


def anonymous_files(pid):
    """Bytes of memory that the process's memfds take; what is mapped twice counts once."""
    sizes = {}
    try:
        for entry in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{entry}").startswith("/memfd:"):
                status = os.stat(f"/proc/{pid}/fd/{entry}")
                sizes[status.st_ino] = status.st_blocks * 512
    except OSError:
        pass  # it is ending
    return sum(sizes.values())


def open_files(pid):
    """What the process's descriptors lead to."""
    found = []
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(entry))
        except OSError:
            pass  # closed meanwhile
    return found


def reap():
    """Takes the exit status of orphans that came to us."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


class Running:
    """A `towpath` that was started and may be watched, killed and waited for."""

    def __init__(self, arguments, folder, env):
        self.arguments = [str(argument) for argument in arguments]
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.begin = time.monotonic()
        self.process = subprocess.Popen([str(PROGRAM), *self.arguments], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                                        stdout=self._out, stderr=self._err)
        self.pid = self.process.pid

    def workers(self, name=""):
        """pid → "pipeline/stage#n" of the workers whose name matches the regex."""
        found = {}
        for pid in descendants():
            match = re.match(r"towpath: (\S+/\S+#\d+)", title(pid))
            if match and re.search(name, match.group(1)):
                found[pid] = match.group(1)
        return found

    def wait_for_workers(self, name="", count=1, seconds=20):
        return until(lambda: self.ended() or (lambda found: len(found) >= count and found)(self.workers(name)), seconds,
                     f"{count} workers named {name}: {self.text()}")

    def ended_within(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ended(self):
        return self.process.poll() is not None

    def signal(self, number):
        self.process.send_signal(number)

    def text(self):
        os.lseek(self._err.fileno(), 0, os.SEEK_SET)
        return self._err.read().decode(errors="replace")

    def output(self):
        os.lseek(self._out.fileno(), 0, os.SEEK_SET)
        return self._out.read()

    def close(self):
        self._out.close()
        self._err.close()

    def wait(self, seconds=120):
        try:
            self.code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            tree = "\n".join(f"{pid} {title(pid)}" for pid in descendants())
            raise AssertionError(f"{self.arguments} still runs after {seconds} s:\n{tree}\n{self.text()}") from None
        self.seconds = time.monotonic() - self.begin
        return self

    def ledger(self):
        """The closing ledger of a run with --json, its stages by name."""
        ledger = json.loads(self.output())
        ledger["stages"] = {stage["name"]: stage for stage in ledger["stages"]}
        return ledger

    def restarts(self):
        return sum(stage["restarts"] for stage in self.ledger()["stages"].values())


class TowpathTest(unittest.TestCase):
    """A test in a folder of its own. Whatever it started is gone at its end, or the test fails."""

    def setUp(self):
        self.assertTrue(PROGRAM.exists(), f"{PROGRAM}: build it first, or set TOWPATH_BUILD")
        # Short: the path of a socket may have 107 bytes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tp"))
        self.runtime = self.folder / "x"
        self.runtime.mkdir(mode=0o700)
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(self.runtime), "NO_COLOR": "1"}
        self.random = random.Random(self.id())

    def tearDown(self):
        left = {pid: title(pid) for pid in descendants()}
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        reap()
        sockets = self.left_in_runtime_folder()
        if os.environ.get("TOWPATH_KEEP"):
            print("kept", self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.assertEqual({}, left, "the test left processes behind")
        self.assertEqual([], sockets, "the test left files in the runtime folder")

    def left_in_runtime_folder(self):
        """All but folders that stand empty."""
        return [str(path) for path in self.runtime.rglob("*") if not path.is_dir()]

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, name):
        return (self.folder / name).read_bytes()

    def config(self, stages, head=""):
        """Writes t.yaml: a pipeline "t" of these stages."""
        return self.write("t.yaml", f"towpath: 1\npipeline: t\n{head}\nstages:\n{stages}\n")

    def start(self, *arguments):
        running = Running(arguments, self.folder, self.env)
        self.addCleanup(running.close)
        return running

    def towpath(self, *arguments, code=0, seconds=120):
        """Runs the program to its end and checks its exit code."""
        done = self.start(*arguments).wait(seconds)
        self.assertEqual(code, done.code, f"{done.arguments}\n{done.text()}\n{done.output()[-2000:]}")
        return done

    def assert_nothing_is_left(self, seconds=1.0):
        """No process but zombies, no socket, within a second."""
        until(lambda: not descendants(), seconds, "all processes gone: " +
              ", ".join(f"{pid} {title(pid)}" for pid in descendants()))
        until(lambda: not self.left_in_runtime_folder(), seconds, "runtime folder empty: " +
              ", ".join(self.left_in_runtime_folder()))

    def assert_same_bytes(self, expected, actual, what=""):
        """As assertEqual, but shows the first difference, not megabytes."""
        if expected == actual:
            return
        at = next((i for i, (a, b) in enumerate(zip(expected, actual)) if a != b), min(len(expected), len(actual)))
        line = expected.count(b"\n", 0, at) + 1
        begin = max(0, at - 60)
        self.fail(f"{what}: {len(expected)} bytes expected, {len(actual)} found; first difference at byte {at}, line "
                  f"{line}:\n  expected …{expected[begin:at + 60]!r}\n  found    …{actual[begin:at + 60]!r}")


def csv_bytes(header, rows):
    """A CSV file as csv.write makes it: LF, quotes only where needed, an empty text quoted, null empty."""
    out = io.BytesIO()
    for row in [header, *rows]:
        out.write(b",".join(csv_field(value) for value in row) + b"\n")
    return out.getvalue()


def csv_field(value):
    if value is None:
        return b""
    if isinstance(value, float):
        return shortest(value).encode()
    if isinstance(value, int):
        return str(value).encode()
    raw = value if isinstance(value, bytes) else value.encode()
    if not raw or re.search(rb'[",\r\n]', raw):
        return b'"' + raw.replace(b'"', b'""') + b'"'
    return raw


def shortest(value):
    """The shortest text that reads back as the same float; a whole number stands without a point."""
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def read_csv(path):
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def zipf_text(path, size, seed=3):
    """Seeded text whose words have about the frequencies of natural ones; lines of about 12 words."""
    rnd = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgk"
    words = sorted({"".join(rnd.choice(letters) for _ in range(min(14, 1 + int(rnd.expovariate(0.2)))))
                    for _ in range(20000)})
    rnd.shuffle(words)
    weights, total = [], 0.0
    for i in range(len(words)):
        total += 1 / (i + 2)
        weights.append(total)
    # A megabyte repeated at changing offsets: quick to make, and no two stretches of lines are alike.
    block = rnd.choices(words, cum_weights=weights, k=150_000)
    with open(path, "w") as file:
        written = 0
        while written < size:
            shift = rnd.randrange(len(block))
            turned = block[shift:] + block[:shift]
            written += file.write("\n".join(" ".join(turned[i:i + 12]) for i in range(0, len(turned), 12)) + "\n")
    return path


def counted_words(paths):
    """The word count by coreutils, as csv.write writes it: word,count by word."""
    script = r"""export LC_ALL=C
# A file's last word ends with the file, newline or not.
for file; do cat -- "$file"; echo; done | tr -s ' \t\n\v\f\r' '\n' | sed '/^$/d' | sort | uniq -c |
awk 'BEGIN { print "word,count" }
{ n = $1; w = $0; sub(/^ *[0-9]+ /, "", w)
  if (w ~ /[",]/) { gsub(/"/, "\"\"", w); w = "\"" w "\"" }
  print w "," n }'"""
    return subprocess.run(["bash", "-c", script, "words", *map(str, paths)], check=True, capture_output=True).stdout
