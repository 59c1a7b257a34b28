from multiprocessing import Event, Process


class Greeter(Process):
    def __init__(self, whom, greeted):
        super().__init__()
        self.whom, self.greeted = whom, greeted

    def run(self):
        print("hello", self.whom, flush=True)
        self.greeted.set()
        Event().wait()  # for ever


def alive(process):
    return "yes" if process.is_alive() else "no"


if __name__ == "__main__":
    greeted = Event()
    process = Greeter("world", greeted)
    print("alive before the start:", alive(process), flush=True)
    process.start()
    greeted.wait()
    print("alive:", alive(process))
    process.terminate()
    process.join()
    print("alive:", alive(process))
    print("exit code", process.exitcode)
