from multiprocessing import Process, Queue


def produce(queue):
    for text in ("канал", "größer", "データ", "naïve", "🛶"):
        queue.put(text)
    queue.put(None)


def consume(queue):
    while (line := queue.get()) is not None:
        print("got", line)


if __name__ == "__main__":
    queue = Queue()
    producer = Process(target=produce, args=(queue,))
    consumer = Process(target=consume, args=(queue,))
    producer.start()
    consumer.start()
    producer.join()
    consumer.join()
    print("exit codes", producer.exitcode, "and", consumer.exitcode)
