from multiprocessing import Process
from multiprocessing.shared_memory import ShareableList, SharedMemory


def fill(name, list_name):
    memory = SharedMemory(name)
    memory.buf[:] = b"\7" * memory.size
    memory.close()
    ShareableList(name=list_name)[1] = "filled"


if __name__ == "__main__":
    memory = SharedMemory(create=True, size=1_000_000)
    items = ShareableList([1, "empty  ", 2.5, None])
    child = Process(target=fill, args=(memory.name, items.shm.name))
    child.start()
    child.join()
    filled = "yes" if bytes(memory.buf[:1_000_000]) == b"\7" * 1_000_000 else "no"
    print("1000000 bytes, all filled:", filled)
    print("the list says", repr(items[1]))
    memory.close()
    memory.unlink()
    items.shm.close()
    items.shm.unlink()
