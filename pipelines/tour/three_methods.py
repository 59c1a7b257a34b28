import os
import subprocess
import sys
import time
from multiprocessing import Semaphore, freeze_support, get_context
from multiprocessing.shared_memory import SharedMemory


def count_files(method, stray):
    def target(fd):
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            return None

    strays = sum(target(fd) == stray for fd in os.listdir("/proc/self/fd"))
    print(f"{method}: stray files {strays}", flush=True)


def share_and_die():
    freeze_support()  # a frozen program needs this; it is the nearest that Python has to a static one
    for method in ("forkserver", "spawn", "fork"):
        child = get_context(method).Process(target=sys.exit, args=(42,))
        child.start()
        child.join()
        assert child.exitcode == 42
    print("a static program has children by forkserver spawn fork")
    memory, semaphore = SharedMemory(create=True, size=1 << 20), Semaphore(2)
    print(memory.name, flush=True)
    os.kill(os.getpid(), 9)


if __name__ == "__main__" and "--share" in sys.argv:
    share_and_die()
if __name__ == "__main__":
    stray = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(stray, True)
    for method in ("forkserver", "spawn", "fork"):
        child = get_context(method).Process(target=count_files, args=(method, "/etc/passwd"))
        child.start()
        child.join()
    program = subprocess.Popen([sys.executable, __file__, "--share"], stdout=subprocess.PIPE, text=True)
    print(program.stdout.readline(), end="")
    name = program.stdout.readline().strip()
    print("it was killed by signal", -program.wait())
    deadline = time.monotonic() + 10
    # The resource tracker, a process of its own, takes it away, with a warning.
    while os.path.exists(f"/dev/shm/{name}") and time.monotonic() < deadline:
        time.sleep(0.001)
    print("what it shared is gone:", "no" if os.path.exists(f"/dev/shm/{name}") else "yes")
