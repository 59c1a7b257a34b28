// A program that uses all that could stay behind, round after round, until it is killed. Its
// argument is the start method; without one it only begins, and so sweeps.
#include <cstdio>
#include <ranges>
#include <thread>

#include "towpath/base/program_session.h"
#include "towpath/multiprocessing.h"
#include "towpath/shared/manager.h"
#include "towpath/shared/value.h"

using namespace towpath;

namespace {

constexpr Millis kSoon{10'000};

int square(int n) { return n * n; }

void answer(JoinableQueue<int> tasks, Queue<int> results, Lock lock, Value<int> done) {
  for (;;) {
    const int task = tasks.get();
    if (task < 0) break;
    const auto guard = lock.guard();
    results.put(square(task));
    *done.lock() += 1;
    tasks.task_done();
  }
  tasks.task_done();
}

void pass_on(DictProxy<int, int> squares, SharedMemory memory, Semaphore semaphore, Event begin,
             Barrier together) {
  begin.wait(kSoon);
  const auto guard = semaphore.guard(kSoon);
  squares.set(0, static_cast<int>(memory.size()));
  together.wait(kSoon);
}

void call(const std::string& address, bool over_zmq) {
  const Transport transport = over_zmq ? Transport::kZeroMq : Transport::kAuto;
  Connection line = Client(address, {.key = "everything", .transport = transport}, kSoon);
  line.send(square(3));
}

void echo(Connection line) {
  try {
    for (;;) line.send_bytes(line.recv_bytes());
  } catch (const EndOfStream&) {
    // That was all.
  }
}

void queues_and_locks() {
  JoinableQueue<int> tasks;
  Queue<int> results(100);
  Lock lock;
  Value<int> done;
  Process first(&answer, tasks, results, lock, done);
  Process second(Options{.daemon = true}, &answer, tasks, results, lock, done);
  first.start();
  second.start();
  for (int i = 0; i < 20; ++i) tasks.put(i);
  for (int i = 0; i < 20; ++i) results.get(kSoon);
  tasks.put(-1);
  tasks.put(-1);
  tasks.join(kSoon);
  first.join(kSoon);
}

// This process uses none of them, so that it can go on forking.
void queues_by_hub() {
  const QueueOptions zmq{.transport = Transport::kZeroMq};
  JoinableQueue<int> tasks(zmq);
  Queue<int> results(zmq);
  Lock lock;
  Value<int> done;
  Process worker(&answer, tasks, results, lock, done);
  Process asker(
      [](JoinableQueue<int> its_tasks, Queue<int> its_results) {
        for (int i = 0; i < 20; ++i) its_tasks.put(i);
        for (int i = 0; i < 20; ++i) its_results.get(kSoon);
        its_tasks.put(-1);
        its_tasks.join(kSoon);
      },
      tasks, results);
  worker.start();
  asker.start();
  worker.join(kSoon);
  asker.join(kSoon);
}

void managers_and_meetings() {
  Manager manager;
  auto squares = manager.dict<int, int>();
  const SharedMemory memory = SharedMemory::create(100'000);
  Semaphore semaphore(1);
  Event begin;
  Barrier together(2);
  Process child(&pass_on, squares, memory, semaphore, begin, together);
  child.start();
  begin.set();
  together.wait(kSoon);
  child.join(kSoon);
}

void lines(Transport transport) {
  Listener listener({}, {.key = "everything", .transport = transport});
  Process child(&call, listener.address(), transport == Transport::kZeroMq);
  child.start();
  Connection line = listener.accept(kSoon);
  line.recv<int>(kSoon);
  child.join(kSoon);

  auto [mine, its] = Pipe(true, transport);
  Process other(&echo, std::move(its));
  other.start();
  mine.send(3);
  mine.recv<int>(kSoon);
  mine.close();
  other.join(kSoon);
}

// All of these have threads.
void pools_and_lines() {
  Pool pool(2);
  pool.map(&square, std::views::iota(0, 1'000));
  lines(Transport::kAuto);
  lines(Transport::kZeroMq);
  Queue<int> queue({.transport = Transport::kZeroMq});
  Process putter([](Queue<int> it) { it.put(3); }, queue);
  putter.start();
  queue.get(kSoon);
  putter.join(kSoon);
}

}  // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  if (argc < 2) return 0;
  set_start_method(argv[1]);
  std::printf("%s\n", program_session().folder().c_str());
  for (;;) {
    std::printf("round\n");
    std::fflush(stdout);
    queues_and_locks();
    queues_by_hub();
    managers_and_meetings();
    if (get_start_method() != Method::kFork) pools_and_lines();  // its thread would end all forks
  }
}
