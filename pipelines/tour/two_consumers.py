from multiprocessing import Process, Queue


def consume(messages, received):
    received.put(messages.get())


if __name__ == "__main__":
    messages, received = Queue(), Queue()
    consumers = [Process(target=consume, args=(messages, received)) for _ in range(2)]
    for consumer in consumers:
        consumer.start()
    messages.put("first")
    messages.put("second")
    print("received:", sorted([received.get(), received.get()]))
    for consumer in consumers:
        consumer.join()
    print("left:", 0 if messages.empty() else 1)
