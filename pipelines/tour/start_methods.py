import multiprocessing as mp


def hello(queue):
    queue.put("hello")


def use(lock):
    with lock:
        print("a lock of one context in a process of another", flush=True)


if __name__ == "__main__":
    mp.set_start_method("spawn")
    queue = mp.Queue()
    child = mp.Process(target=hello, args=(queue,))
    child.start()
    print(queue.get(), "by", mp.get_start_method(), flush=True)
    child.join()
    try:
        mp.set_start_method("fork")
    except RuntimeError as error:
        print(error, flush=True)
    spawn, forkserver = mp.get_context("spawn"), mp.get_context("forkserver")
    queue = spawn.Queue()
    child = spawn.Process(target=hello, args=(queue,))
    child.start()
    print(queue.get(), "by a context of spawn", flush=True)
    child.join()
    other = forkserver.Process(target=use, args=(spawn.Lock(),))
    other.start()
    other.join()
    try:
        mp.get_context("vfork")
    except ValueError as error:
        print(error)
