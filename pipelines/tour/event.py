from multiprocessing import Event, Process


def wait_for_it(waiting, it):
    print("the child waits", flush=True)
    waiting.set()
    it.wait()
    print("the child goes on", flush=True)


if __name__ == "__main__":
    waiting, it = Event(), Event()
    child = Process(target=wait_for_it, args=(waiting, it))
    child.start()
    waiting.wait()
    child.join(timeout=0.1)
    print("has it ended?", "no" if child.is_alive() else "yes")
    print("main sets the event", flush=True)
    it.set()
    child.join()
