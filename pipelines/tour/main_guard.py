from multiprocessing import get_context

main_entered = 0


def tell(method):
    print(f"{method}: the rest of main ran {main_entered} times", flush=True)


# Without this line a spawned child would run what follows, too. Python notices when that starts
# a process: "An attempt has been made to start a new process before the current process has
# finished its bootstrapping phase."
if __name__ == "__main__":
    main_entered += 1
    tell("here")
    for method in ("forkserver", "spawn"):
        child = get_context(method).Process(target=tell, args=(method,))
        child.start()
        child.join()
