from multiprocessing import Condition, Process, Semaphore, Value


def count_to(n, changed, value):
    for _ in range(n):
        with changed:
            value.value += 1
            changed.notify_all()


if __name__ == "__main__":
    two = Semaphore(2)
    permits = [two.acquire(), two.acquire(), two.acquire(block=False)]
    print("permits:", ", ".join("yes" if got else "no" for got in permits))
    changed, value = Condition(), Value("i", 0)
    counts = Process(target=count_to, args=(4, changed, value))
    with changed:
        counts.start()
        changed.wait_for(lambda: value.value == 4)
        print("the other has counted to", value.value)
    counts.join()
