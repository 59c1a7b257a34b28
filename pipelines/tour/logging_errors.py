import logging
import sys
from multiprocessing import (AuthenticationError, BufferTooShort, Lock, Pipe, Process, Queue,
                             log_to_stderr)
from multiprocessing.connection import Client, Listener
from queue import Empty
from threading import Thread


def work():
    sys.stderr = sys.stdout
    log_to_stderr(logging.INFO).warning("the water is low")


def serve(line):
    line.send_bytes(b"eighteen bytes long")


def tell(what, call):
    try:
        call()
    except BufferTooShort as error:
        print(f'{what}: BufferTooShort, which holds "{error.args[0].decode()}"')
    except (AuthenticationError, EOFError, Empty, ValueError) as error:
        print(f"{what}: {type(error).__name__}")


def refuse(listener):
    tell("accept", listener.accept)  # ended by a stranger's wrong key


if __name__ == "__main__":
    child = Process(target=work, name="lock keeper")
    child.start()
    child.join()
    mine, its = Pipe()
    serves = Process(target=serve, args=(its,))
    serves.start()
    its.close()
    serves.join()
    tell("recv_bytes_into", lambda: mine.recv_bytes_into(bytearray(4)))
    tell("recv", mine.recv)
    queue = Queue()
    tell("get", lambda: queue.get(timeout=0.01))
    lock = Lock()
    tell("release", lock.release)
    listener = Listener(authkey=b"the right one")
    thread = Thread(target=refuse, args=(listener,))
    thread.start()
    tell("Client", lambda: Client(listener.address, authkey=b"a wrong one"))
    thread.join()
