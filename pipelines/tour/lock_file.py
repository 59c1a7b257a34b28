import tempfile
from multiprocessing import Lock, Process


def append(path, lock, number):
    with lock, open(path, "a") as file:
        for word in ("process ", "number ", str(number), " was here\n"):
            print(word, end="", file=file, flush=True)


if __name__ == "__main__":
    with tempfile.NamedTemporaryFile() as file:
        lock = Lock()
        children = [Process(target=append, args=(file.name, lock, i)) for i in range(1, 6)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        print(file.read().decode(), end="")
