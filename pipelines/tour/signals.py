import signal
import time
from multiprocessing import Event, Process


def work(began):
    enough = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # each child has to ask for it
    signal.signal(signal.SIGTERM, lambda *_: enough.append(1))
    began.set()
    while not enough:
        signal.pause()
    print("the child has put its things in order", flush=True)


if __name__ == "__main__":
    import os

    began = Event()
    child = Process(target=work, args=(began,))
    child.start()
    began.wait()
    os.kill(child.pid, signal.SIGINT)
    child.join(0.1)
    print("after SIGINT it has ended:", "no" if child.is_alive() else "yes", flush=True)
    child.terminate()
    child.join()
    print("after SIGTERM: exit code", child.exitcode)
    other = Process(target=time.sleep, args=(60,))
    other.start()
    other.terminate()
    other.join()
    print("one that does not care for it:", other.exitcode)
