import time
from multiprocessing import Process


def work():
    print("the child begins", flush=True)
    time.sleep(0.1)
    print("the child ends", flush=True)


if __name__ == "__main__":
    child = Process(target=work)
    child.start()
    child.join()
    print("main goes on")
