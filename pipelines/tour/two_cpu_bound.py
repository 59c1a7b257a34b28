import time
from multiprocessing import Process, Queue


def compute(name, spans):
    print(name, "begins", flush=True)
    begin = time.monotonic()
    sum(i * i for i in range(3_000_000))
    spans.put((begin, time.monotonic()))
    print(name, "has finished", flush=True)


if __name__ == "__main__":
    start = time.monotonic()
    spans = Queue()
    a = Process(target=compute, args=("A", spans))
    b = Process(target=compute, args=("B", spans))
    a.start()
    b.start()
    (b1, e1), (b2, e2) = spans.get(), spans.get()
    a.join()
    b.join()
    print("both at the same time:", "yes" if b2 < e1 and b1 < e2 else "no")
    print(f"they took {time.monotonic() - start:.2f} s")
