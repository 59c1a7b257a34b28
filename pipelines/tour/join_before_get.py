from multiprocessing import Process, Queue


def put_megabyte(queue):
    queue.put("x" * (1 << 20))


if __name__ == "__main__":
    queue = Queue()
    child = Process(target=put_megabyte, args=(queue,))
    child.start()
    child.join(timeout=2)  # without a timeout it would wait for ever
    print("joined:", "no" if child.is_alive() else "yes")
    print("then got", len(queue.get()), "bytes")
    child.join()
