from multiprocessing import Process, Queue, current_process


def square(numbers, squares):
    while (n := numbers.get()) is not None:
        squares.put((n * n, current_process().name))


if __name__ == "__main__":
    numbers, squares = Queue(), Queue()
    workers = [Process(target=square, args=(numbers, squares), name=f"worker {x}") for x in "ab"]
    for worker in workers:
        worker.start()
    for n in (3, 4, 5, 6):
        numbers.put(n)
    for _ in workers:
        numbers.put(None)  # a pill for each
    results = [squares.get() for _ in range(4)]  # before join
    for worker in workers:
        worker.join()
    print(sorted(n for n, _ in results))
