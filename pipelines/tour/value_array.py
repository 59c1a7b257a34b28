from ctypes import Structure, c_double
from multiprocessing import Array, Process, Value


class Point(Structure):
    _fields_ = [("x", c_double), ("y", c_double)]


def change(number, array, point):
    number.value = 3.1415927
    for i in range(len(array)):
        array[i] = -array[i]
    point.x *= 2


if __name__ == "__main__":
    number, array, point = Value("d", 0.0), Array("i", range(10)), Value(Point, 1.5, 2.5)
    child = Process(target=change, args=(number, array, point))
    child.start()
    child.join()
    print(number.value)
    print(array[:])
    print(f"({point.x:g}, {point.y:g})")
