from multiprocessing import AuthenticationError, Process
from multiprocessing.managers import BaseManager, DictProxy
from queue import Queue

KEY = b"a long and random secret"
letters, counts = Queue(), {}


class Server(BaseManager):
    pass


class Client(BaseManager):
    pass


Server.register("letters", callable=lambda: letters)
Server.register("counts", callable=lambda: counts, proxytype=DictProxy)
Client.register("letters")
Client.register("counts", proxytype=DictProxy)


def client(address):
    manager = Client(address, KEY)
    manager.connect()
    print("got", manager.letters().get(), flush=True)
    manager.counts()["letters"] = 1


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), KEY) as manager:
        manager.letters().put("a letter")
        child = Process(target=client, args=(manager.address,))
        child.start()
        child.join()
        print("counted", manager.counts()["letters"])
        try:
            Client(manager.address, b"another").connect()
        except AuthenticationError:
            print("who has another key does not get in")
