from multiprocessing import Pool, cpu_count


def square(n):
    return n * n


if __name__ == "__main__":
    with Pool(4) as pool:
        print(pool.map(square, range(10)))
    with Pool() as pool:
        print("a pool is as large as the machine:",
              "yes" if pool._processes == cpu_count() else "no")
