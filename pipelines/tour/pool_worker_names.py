from multiprocessing import Pool, current_process


def square(n):
    return n * n, current_process().name


if __name__ == "__main__":
    with Pool(2) as pool:
        results = pool.map(square, range(3, 7))
    for number, worker in results:
        print(number, "by", worker)  # ForkPoolWorker-1
    print([number for number, _ in results])
