from multiprocessing import Pipe, Process


def answer(line):
    question = line.recv()
    line.send(f'the answer to "{question}"')


if __name__ == "__main__":
    mine, its = Pipe()
    child = Process(target=answer, args=(its,))
    child.start()
    its.close()  # forgotten, this end keeps the stream open
    mine.send("how deep is the water")
    print(mine.recv())
    try:
        mine.recv()
    except EOFError:
        print("the other end is closed")
    child.join()
