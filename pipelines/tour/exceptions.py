from multiprocessing import Pool, Process, Queue


def load(row):
    if row > 3:
        raise IndexError(f"no row {row}")
    return row


def report(errors):
    try:
        load(5)
    except IndexError as error:
        errors.put(error)  # its traceback does not travel


if __name__ == "__main__":
    child = Process(target=load, args=(4,), name="loader")
    child.start()
    child.join()
    print("main is unharmed; exit code", child.exitcode)
    errors = Queue()
    reports = Process(target=report, args=(errors,))
    reports.start()
    print("by queue:", repr(errors.get()))
    reports.join()
    with Pool(1) as pool:
        try:
            pool.apply_async(load, (6,)).get()
        except IndexError as error:
            print("by future:", repr(error))
