import time
from multiprocessing import Process


def work(number):
    time.sleep(0.2)
    print("worker", number, "is done", flush=True)


if __name__ == "__main__":
    start = time.monotonic()
    workers = [Process(target=work, args=(i,)) for i in range(1, 6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sooner = time.monotonic() - start < 1
    print("all are done, sooner than one after the other:", "yes" if sooner else "no")
