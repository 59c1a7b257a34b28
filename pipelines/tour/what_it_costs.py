import time
from multiprocessing import Pipe, Process, Queue

flag = 0


def change(numbers):
    global flag
    flag = 1
    numbers.append(4)


def nothing():
    pass


def echo(line):
    while number := line.recv():
        line.send(number)


def drain(queue):
    while queue.get():
        pass


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def run(process):
    process.start()
    process.join()


if __name__ == "__main__":
    numbers = [1, 2, 3]
    run(Process(target=change, args=(numbers,)))
    print("a child has set the global to 1; here it is", flag)
    print("a child has added a 4; here they are", numbers)
    mine, its = Pipe()
    echoes = Process(target=echo, args=(its,))
    echoes.start()
    its.close()  # nothing but this line keeps two processes from using one end
    print("an end of a pipe that was given to a child is not ours any more")

    def ping():
        for i in range(1, 1001):
            mine.send(i)
            mine.recv()

    trip = timed(ping) / 1000
    mine.send(0)
    queue = Queue()
    drains = Process(target=drain, args=(queue,))
    drains.start()

    def put():
        for i in range(1, 100_001):
            queue.put(i)
        queue.put(0)
        drains.join()

    item = timed(put) / 100_000
    print(f"start and join: {1e3 * timed(lambda: run(Process(target=nothing))):.2f} ms")
    print(f"a number through a pipe and back: {1e6 * trip:.1f} us")
    print(f"a number through a queue: {1e6 * item:.2f} us")
