import json
from multiprocessing import Pipe, Process, Queue


def send(queue, line):
    values = [42, None, "hello"]
    queue.put(values)
    line.send(values)
    line.send(tuple(values))


def text(values):
    return json.dumps(values, separators=(",", ":"))


if __name__ == "__main__":
    queue = Queue()
    mine, its = Pipe()
    child = Process(target=send, args=(queue, its))
    child.start()
    print("by queue:", text(queue.get()))
    print("by pipe:", text(mine.recv()))
    number, none, word = mine.recv()
    print(f"as a tuple: {number}, {'none' if none is None else 'a number'}, {word}")
    child.join()
