import multiprocessing as mp


def beginning():
    kind = type(mp.current_process()).__name__
    return {"SpawnProcess": "spawn", "ForkServerProcess": "forkserver"}.get(kind) or mp.get_start_method()


def hello(queue):
    queue.put("hello by " + beginning())


def use(lock):
    with lock:
        print("a lock of one context in a process of another, by", beginning(), flush=True)


if __name__ == "__main__":
    mp.set_start_method("spawn")
    queue = mp.Queue()
    child = mp.Process(target=hello, args=(queue,))
    child.start()
    print(queue.get(), flush=True)
    child.join()
    try:
        mp.set_start_method("fork")
    except RuntimeError as error:
        print(error, flush=True)
    spawn, forkserver = mp.get_context("spawn"), mp.get_context("forkserver")
    queue = spawn.Queue()
    child = spawn.Process(target=hello, args=(queue,))
    child.start()
    print(queue.get(), flush=True)
    child.join()
    lock = spawn.Lock()  # kept until the child has opened it
    other = forkserver.Process(target=use, args=(lock,))
    other.start()
    other.join()
    try:
        mp.get_context("vfork")
    except ValueError as error:
        print(error)
