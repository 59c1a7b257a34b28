import os
import signal
from multiprocessing import get_all_start_methods, get_context
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
    SharedMemory(create=True, size=1 << 20)  # the resource tracker takes it away, with a warning
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    stray = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(stray, True)
    for method in ("forkserver", "spawn", "fork"):
        child = get_context(method).Process(target=count_files, args=(method, "/etc/passwd"))
        child.start()
        child.join()
    child = get_context("spawn").Process(target=share_and_die)
    child.start()
    child.join()
    print("killed by signal", -child.exitcode)
