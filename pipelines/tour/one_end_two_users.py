from multiprocessing import Pipe, Process
from threading import Lock, Thread

TIMES = 1000


def check(line):
    whole = sum(line.recv() in ("a" * 100, "b" * 100) for _ in range(2 * TIMES))
    print("whole messages of two threads:", whole, flush=True)


def send(line, lock, letter):
    for _ in range(TIMES):
        with lock:  # nothing else keeps two senders apart
            line.send(letter * 100)


if __name__ == "__main__":
    mine, its = Pipe()
    child = Process(target=check, args=(its,))
    child.start()
    its.close()
    lock = Lock()
    threads = [Thread(target=send, args=(mine, lock, letter)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child.join()
    try:
        its.send("also from here")
    except OSError:
        print("the end that the child has can't be used here")
