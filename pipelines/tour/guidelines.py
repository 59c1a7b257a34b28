import os
import sys
from multiprocessing import Event, Lock, Process, Queue, active_children, get_context
from multiprocessing.connection import wait
from queue import Empty

flag = 1


def tell():
    print("stdin is at its end:", "yes" if sys.stdin.read() == "" else "no", flush=True)
    print("the global is", flag, flush=True)


def hold(lock, queue):
    lock.acquire()
    queue.put(1)
    Event().wait()


def exists(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


if __name__ == "__main__":
    flag = 2
    child = get_context("spawn").Process(target=tell)
    child.start()
    pid = child.pid
    wait([child.sentinel])
    print("it has ended and is a zombie:", "yes" if exists(pid) else "no")
    print("active children:", len(active_children()))
    print("now it is reaped:", "no" if exists(pid) else "yes", flush=True)
    lock, queue = Lock(), Queue()
    holds = Process(target=hold, args=(lock, queue))
    holds.start()
    queue.get()
    holds.terminate()
    holds.join()
    free = lock.acquire(timeout=0.5)  # Python's lock is held for ever
    print("the lock is free, its owner died:", "yes" if free else "no")
    queue.put(2)
    queue.cancel_join_thread()  # a process ended in the midst of put leaves the queue locked
    try:
        print("the queue works:", queue.get(timeout=2))
    except Empty:
        print("the queue works: no")
