import time
from multiprocessing import Pool


def work(number, tenths):
    begin = time.monotonic()
    time.sleep(tenths / 10)
    return number, begin, time.monotonic()


if __name__ == "__main__":
    start = time.monotonic()
    with Pool(2) as pool:
        results = [pool.apply_async(work, (i + 1, t)) for i, t in enumerate((4, 2, 3, 1))]
        tasks = [result.get() for result in results]
    for number, begin, _ in tasks:
        at_once = sum(b <= begin < e for _, b, e in tasks)
        before = [n for n, _, e in tasks if 0 <= begin - e < 0.05]
        since = f"since T{before[0]} has ended" if before else "from the beginning"
        print(f"T{number}: {at_once} at work, {since}")
    print(f"after {time.monotonic() - start:.1f} s")
