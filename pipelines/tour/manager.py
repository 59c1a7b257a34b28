import json
from multiprocessing import Manager, Process


def change(shared, numbers, counts, lock):
    shared[1] = "1"
    shared["2"] = 2
    shared[0.25] = None
    numbers.reverse()
    count(counts, lock)


def count(counts, lock):
    for _ in range(100):
        with lock:  # without it counts["n"] += 1 loses some
            counts["n"] += 1


if __name__ == "__main__":
    with Manager() as manager:
        shared, numbers = manager.dict(), manager.list(range(10))
        counts, lock = manager.dict(n=0), manager.Lock()
        child = Process(target=change, args=(shared, numbers, counts, lock))
        child.start()
        count(counts, lock)
        child.join()
        for key, value in shared.items():
            print(f"{json.dumps(key)}: {json.dumps(value)}")
        print(numbers)
        print("counted to", counts["n"])
