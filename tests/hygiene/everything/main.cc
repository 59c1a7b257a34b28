// A program that uses all that could stay behind, round after round, until it is killed. Its
// argument is the start method; without one it only begins, and so sweeps.
//
// By fork only a process without threads can go on: what has threads as long as the process lives
// (all that goes over ZeroMQ, a manager's server) is used by its children.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ranges>

#include "towpath/base/program_session.h"
#include "towpath/multiprocessing.h"

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

enum class Way { kLocal, kLocalZeroMq, kTcp };

ConnectOptions options(Way way) {
  return {.key = "everything",
          .transport = way == Way::kLocalZeroMq ? Transport::kZeroMq : Transport::kAuto};
}

void listen(Connection parent, Way way) {
  Listener listener(way == Way::kTcp ? "tcp://127.0.0.1:0" : "", options(way));
  parent.send(listener.address());
  listener.accept(kSoon).recv<int>(kSoon);
}

void call(const std::string& address, Way way) {
  Client(address, options(way), kSoon).send(square(3));
}

void serve(Connection parent) {
  ManagerServer server({.address = "tcp://127.0.0.1:0", .connect = {.key = "everything"}});
  server.manager().publish("jobs", server.manager().queue<int>());
  parent.send(server.address());
  parent.recv<int>(kSoon);
}

void change(RLock lock, Array<int> numbers, ShareableList list, Condition changed) {
  const auto outer = lock.guard(kSoon);
  const auto inner = lock.guard(kSoon);
  numbers.set(0, 1);
  list.set(0, "changed");
  changed.notify();
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

void lists_and_conditions() {
  RLock lock;
  Condition changed(lock);
  Array<int> numbers(1'000);
  const ShareableList list({"as it was", 2});
  const auto guard = lock.guard();
  Process child(&change, lock, numbers, list, changed);
  child.start();
  changed.wait(kSoon);
  child.join(kSoon);
}

// Their threads end with them.
void pools_of_all_kinds() {
  {
    Pool pool(2);
    pool.map(&square, std::views::iota(0, 1'000));
  }
  Executor executor(2);
  for (int n : executor.map(&square, std::views::iota(0, 100))) (void)n;
}

void local_lines() {
  Listener listener({}, options(Way::kLocal));
  Process child(&call, listener.address(), Way::kLocal);
  child.start();
  listener.accept(kSoon).recv<int>(kSoon);
  child.join(kSoon);

  auto [mine, its] = Pipe();
  Process other(&echo, std::move(its));
  other.start();
  mine.send_bytes(std::string(100'000, 'x'));  // with a second ring
  mine.recv_bytes(kSoon);
  mine.close();
  other.join(kSoon);
}

void lines_between_children(Way way) {
  auto [mine, its] = Pipe();
  Process listener(&listen, std::move(its), way);
  listener.start();
  Process caller(&call, mine.recv<std::string>(kSoon), way);
  caller.start();
  caller.join(kSoon);
  listener.join(kSoon);
}

void lines_by_zmq() {
  lines_between_children(Way::kLocalZeroMq);
  auto [one, other] = Pipe(true, Transport::kZeroMq);
  Process echoes(&echo, std::move(one));
  Process asks(
      [](Connection line) {
        line.send(3);
        line.recv<int>(kSoon);
      },
      std::move(other));
  echoes.start();
  asks.start();
  asks.join(kSoon);
  echoes.join(kSoon);
}

void lines_by_tcp() {
  lines_between_children(Way::kTcp);
  auto [mine, its] = Pipe();
  Process server(&serve, std::move(its));
  server.start();
  Process client(
      [](const std::string& address) {
        Manager there = Manager::connect(address, {.key = "everything"}, kSoon);
        there.find<QueueProxy<int>>("jobs").put(3);
      },
      mine.recv<std::string>(kSoon));
  client.start();
  client.join(kSoon);
  mine.send(0);
  server.join(kSoon);
}

void queue_by_hub_here() {
  if (get_start_method() == Method::kFork) return;
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
  // Few live to the end of a round, so each begins elsewhere.
  constexpr std::array kSteps{&queues_and_locks,   &queues_by_hub, &managers_and_meetings,
                              &pools_of_all_kinds, &local_lines,   &lists_and_conditions,
                              &lines_by_zmq,       &lines_by_tcp,  &queue_by_hub_here};
  for (auto step = static_cast<size_t>(::getpid());; ++step) {
    kSteps[step % kSteps.size()]();
    std::printf("step\n");
    std::fflush(stdout);
  }
}
