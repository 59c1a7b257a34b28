import time
from multiprocessing import Process

STEP = 0.03


def factorial(n):
    product = 1
    for i in range(1, n + 1):
        time.sleep(STEP)
        product *= i
    print(f"{n}! = {product}", flush=True)


if __name__ == "__main__":
    start = time.monotonic()
    children = [Process(target=factorial, args=(n,)) for n in (5, 6, 7)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    sooner = time.monotonic() - start < (5 + 6 + 7) * STEP
    print("all done, sooner than one after the other:", "yes" if sooner else "no")
