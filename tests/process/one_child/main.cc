// A program with one child, by the start method that is its argument, and with a bit of all that
// the library has. Built once as usual and stripped, once linked statically as a whole.
#include <cstdio>
#include <stdexcept>
#include <string>

#include "towpath/multiprocessing.h"

using namespace towpath;

namespace {

void report(int number, const std::string& from, const Lock& lock) {
  const auto held = lock.owner().kind;
  std::printf("child %d from %s\n", number, from.c_str());
  std::printf("the lock is %s\n", held == LockOwner::kNobody ? "free" : "held");
}

void double_all(Connection line, Queue<int> queue, Value<int> value) {
  line.send(2 * line.recv<int>());
  queue.put(2 * queue.get());
  *value.lock() *= 2;
}

int square(int n) { return n * n; }

[[gnu::noinline]] int refuse(int n) {
  if (n == 5) throw std::out_of_range("no row " + std::to_string(n));
  return n;
}

template <class F>
void say_refused(const char* what, F call) {
  try {
    call();
    std::printf("%s works\n", what);
  } catch (const Unsupported& error) {
    std::printf("%s: %s\n", what, error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  if (argc != 2) return 2;
  const Context context = get_context(argv[1]);
  const Lock lock;
  Process child = context.Process(&report, 42, "program", lock);
  child.start();
  child.join();

  auto [mine, its] = context.Pipe();
  Queue<int> queue = context.Queue<int>();
  Value<int> value = context.Value<int>(3);
  mine.send(1);
  queue.put(2);
  Process user = context.Process(&double_all, std::move(its), queue, value);
  user.start();
  user.join();
  std::printf("pipe %d, queue %d, value %d\n", mine.recv<int>(), queue.get(), value.get());
  {
    Manager manager = context.Manager();
    auto total = manager.value<int>(4);
    total.update([](int& n, int by) { n += by; }, 4);
    std::printf("manager %d\n", total.get());
  }
  Pool pool = context.Pool(1);
  for (const int n : pool.map(&square, std::vector{3, 4})) std::printf("pool %d\n", n);
  try {
    pool.apply(&refuse, 5);
  } catch (const std::out_of_range& error) {
    std::printf("%s\n%s\n", error.what(), remote_of(error)->trace.c_str());
  }
  say_refused("ZeroMQ", [] {
    auto [a, b] = Pipe(true, Transport::kZeroMq);
    Queue<int> over({.transport = Transport::kZeroMq});
    const Listener listener("tcp://127.0.0.1:0");
  });
  return child.exitcode().value_or(1);
}
