import logging
import os
import signal
import sys
import time
from multiprocessing import Event, Pool, Process, current_process, log_to_stderr


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def survive(crashed):
    crashed.wait()
    sys.stderr = sys.stdout
    log_to_stderr(logging.INFO).info("a sibling has crashed, this one works on")


def leave_a_child():
    Process(target=time.sleep, args=(0.2,)).start()
    sys.stderr = sys.stdout
    log_to_stderr(logging.INFO)  # tells of "calling join() for process"


def twice(n):
    return 2 * n


if __name__ == "__main__":
    crashed = Event()
    sibling = Process(target=survive, args=(crashed,), name="sibling")
    crashes = Process(target=crash)
    sibling.start()
    crashes.start()
    crashes.join()
    print("exit code", crashes.exitcode, flush=True)
    crashed.set()
    sibling.join()
    print("exit code", sibling.exitcode, flush=True)
    leaves = Process(target=leave_a_child, name="leaves")
    leaves.start()
    leaves.join()
    with Pool(2) as pool:
        start = time.monotonic()
        print("the sum of 100000 small tasks:", sum(pool.map(twice, range(100_000))))
        print(f"in {1e3 * (time.monotonic() - start):.1f} ms, many to a message")
