import json
from multiprocessing import AuthenticationError, Process
from multiprocessing.managers import BaseManager, DictProxy, ListProxy
from queue import Queue

KEY = b"a long and random secret"
letters, shared, numbers = Queue(), {}, list(range(10))


class Server(BaseManager):
    pass


class Client(BaseManager):
    pass


Server.register("letters", callable=lambda: letters)
Server.register("dict", callable=lambda: shared, proxytype=DictProxy)
Server.register("list", callable=lambda: numbers, proxytype=ListProxy)
Client.register("letters")
Client.register("dict", proxytype=DictProxy)
Client.register("list", proxytype=ListProxy)


def client(address):
    manager = Client(address, KEY)
    manager.connect()
    print("got", manager.letters().get(), flush=True)
    shared = manager.dict()
    shared[1] = "1"
    shared["2"] = 2
    shared[0.25] = None
    manager.list().reverse()


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), KEY) as manager:
        manager.letters().put("a letter")
        child = Process(target=client, args=(manager.address,))
        child.start()
        child.join()
        for key, value in manager.dict().items():
            print(f"{json.dumps(key)}: {json.dumps(value)}")
        print(manager.list())
        try:
            Client(manager.address, b"another").connect()
        except AuthenticationError:
            print("who has another key does not get in")
