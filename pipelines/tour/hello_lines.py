from multiprocessing import Lock, Process


def greet(lock, number):
    with lock:
        print("hello", end=" ", flush=True)
        print("world", end=" ", flush=True)
        print(number, flush=True)


if __name__ == "__main__":
    lock = Lock()
    children = [Process(target=greet, args=(lock, i)) for i in range(10)]
    for child in children:
        child.start()
    for child in children:
        child.join()
