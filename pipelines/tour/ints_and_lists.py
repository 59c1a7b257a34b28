import json
from multiprocessing import Pipe, Process, Queue


def count(queue):
    for i in range(5):
        queue.put(i)


def send_list(to):
    to.send(["данные", 123, True])


if __name__ == "__main__":
    queue = Queue()
    counts = Process(target=count, args=(queue,))
    counts.start()
    for _ in range(5):
        print(queue.get())
    counts.join()
    from_, to = Pipe(duplex=False)
    sends = Process(target=send_list, args=(to,))
    sends.start()
    received = from_.recv()
    sends.join()
    print(json.dumps(received, ensure_ascii=False, separators=(",", ":")))
    print(", ".join(type(x).__name__.replace("str", "string") for x in received))
