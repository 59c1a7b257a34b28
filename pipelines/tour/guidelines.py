import os
import sys
from multiprocessing import Event, Lock, Manager, Process, Queue, active_children, get_context
from multiprocessing.connection import wait
from queue import Empty
from threading import Thread

flag = 1


def tell():
    print("stdin is at its end:", "yes" if sys.stdin.read() == "" else "no", flush=True)
    print("the global is", flag, flush=True)


def nothing():
    pass


def zombie():
    child = Process(target=nothing)
    child.start()
    wait([child.sentinel])
    return child


def exists(child):
    try:
        os.kill(child.pid, 0)
        return True
    except ProcessLookupError:
        return False


def yes_or_no(value):
    return "yes" if value else "no"


def who_reaps():
    first = zombie()
    print("it has ended and is a zombie:", yes_or_no(exists(first)))
    second = zombie()
    print("reaped by a start:", yes_or_no(not exists(first)))
    print("active children:", len(active_children()))
    print("reaped by that:", yes_or_no(not exists(second)))
    third = zombie()
    print("alive:", yes_or_no(third.is_alive()))
    print("reaped by that:", yes_or_no(not exists(third)), flush=True)


def hold(lock, queue):
    lock.acquire()
    queue.put(1)
    Event().wait()


def count(counts, lock):
    for _ in range(50):
        with lock:  # one proxy, and += is two calls
            counts["n"] += 1


if __name__ == "__main__":
    flag = 2
    child = get_context("spawn").Process(target=tell)
    child.start()
    child.join()
    who_reaps()
    lock, queue = Lock(), Queue()
    holds = Process(target=hold, args=(lock, queue))
    holds.start()
    queue.get()
    holds.terminate()
    holds.join()
    free = lock.acquire(timeout=0.5)  # Python's lock is held for ever
    print("the lock is free, its owner died:", yes_or_no(free))
    queue.put(2)
    queue.cancel_join_thread()  # a process ended in the midst of put leaves the queue locked
    try:
        print("the queue works:", queue.get(timeout=2))
    except Empty:
        print("the queue works: no", flush=True)
    with Manager() as manager:
        counts, lock = manager.dict(n=0), manager.Lock()
        threads = [Thread(target=count, args=(counts, lock)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print("four threads shared a proxy:", counts["n"])
