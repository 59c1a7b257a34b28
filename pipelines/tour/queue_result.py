from multiprocessing import Process, Queue


def add(a, b, result):
    result.put(a + b)


if __name__ == "__main__":
    result = Queue()
    child = Process(target=add, args=(2, 3, result))
    child.start()
    print("2 + 3 =", result.get())
    child.join()
    print("exit code", child.exitcode)
