from multiprocessing import Process
from threading import Thread

counter = 0


def count(up_to):
    global counter
    for i in range(1, up_to + 1):
        counter += i


def count_and_say(name, up_to):
    count(up_to)
    print(f"{name}: {counter}", flush=True)


if __name__ == "__main__":
    threads = [Thread(target=count, args=(n,)) for n in (5, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("threads:", counter, flush=True)
    counter = 0
    for args in (("a process", 5), ("another", 4)):
        child = Process(target=count_and_say, args=args)
        child.start()
        child.join()
    print("their parent:", counter)
