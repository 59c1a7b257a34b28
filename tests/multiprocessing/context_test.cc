#include "towpath/context.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <stdexcept>

#include "start_methods.h"
#include "towpath/multiprocessing.h"

using namespace towpath;

namespace {

constexpr Millis kSoon{10'000};

bool set_at_run_time = false;
bool preloaded = false;

// How this process began, by what it has: the memory of the program (fork), or what the forkserver
// has loaded, or neither.
std::string beginning() { return set_at_run_time ? "fork" : preloaded ? "forkserver" : "spawn"; }

// While it lives, children can tell.
struct Marks {
  Marks() {
    set_at_run_time = true;
    set_forkserver_preload({[] { preloaded = true; }});
  }
  ~Marks() {
    set_at_run_time = false;
    set_forkserver_preload({});
  }
};

struct Job : Runnable {
  Job(Queue<std::string> queue, int number) : queue_(std::move(queue)), number_(number) {}
  void run() override { queue_.put("job " + std::to_string(number_) + " by " + beginning()); }

 private:
  Queue<std::string> queue_;
  int number_;
};

int loaded = 0;
int square(int n) { return n * n; }

// Uses what another context made: takes the lock, waits for the event, answers by the queue.
void use_all(Lock lock, Event event, const Semaphore& semaphore, Queue<std::string> queue) {
  if (!event.wait(kSoon)) throw std::runtime_error("the event");
  Semaphore mine = semaphore;
  if (!mine.acquire(kSoon)) throw std::runtime_error("the semaphore");
  const Lock::Guard guard = lock.guard(kSoon);
  queue.put(current_process().name());
}

struct Tools {
  Lock lock;
  std::vector<Queue<int>> queues;
  TOWPATH_FIELDS(lock, queues)
};

void use(Tools tools) {
  const Lock::Guard guard = tools.lock.guard(kSoon);
  tools.queues.at(1).put(7);
  if (tools.queues.at(1).get(kSoon) != 7) throw std::runtime_error("the queue");
}

}  // namespace

TEST_CASE("Context: an unknown method is Invalid and the error lists them") {
  CHECK_THROWS_WITH(get_context("vfork"), Catch::Contains("forkserver, spawn and fork"));
  CHECK_THROWS_AS(get_context("vfork"), Invalid);
  for (const Method method : get_all_start_methods()) {
    CHECK(get_context(method_name(method)).get_start_method() == method);
    CHECK(get_context(method).get_start_method() == method);
  }
  CHECK(get_context().get_start_method() == get_start_method());
}

TEST_CASE("Context: its processes are of its method whatever the default is") {
  const Method before = get_start_method();
  const Marks marks;
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const Method other = method == Method::kSpawn ? Method::kForkserver : Method::kSpawn;
    set_start_method(other, true);
    const std::string by = " by " + std::string(method_name(method));
    const Context context = get_context(method);
    auto queue = context.Queue<std::string>();
    auto process =
        context.Process([](Queue<std::string> to) { to.put("hello by " + beginning()); }, queue);
    process.start();
    CHECK(queue.get(kSoon) == "hello" + by);
    REQUIRE(process.join(kSoon));
    auto object = context.ProcessOf<Job>(queue, 5);
    object.start();
    CHECK(queue.get(kSoon) == "job 5" + by);
    REQUIRE(object.join(kSoon));
    auto named = context.ProcessOf<Job>(Options{.name = "sixth"}, queue, 6);
    CHECK(named.name() == "sixth");
    named.start();
    CHECK(queue.get(kSoon) == "job 6" + by);
    REQUIRE(named.join(kSoon));
    CHECK_THROWS_AS(context.Process(Options{.method = other}, [] {}), Invalid);
    CHECK_THROWS_AS(context.ProcessOf<Job>(Options{.method = other}, queue, 7), Invalid);
    CHECK_THROWS_AS(context.Pool(PoolOptions{.method = other}), Invalid);
  }
  set_start_method(before, true);
}

TEST_CASE("Context: what one makes works in the processes of another") {
  for (const Method maker : methods()) {
    for (const Method user : methods()) {
      CAPTURE(method_name(maker), method_name(user));
      const Context context = get_context(maker);
      Lock lock = context.Lock();
      Event event = context.Event();
      const Semaphore semaphore = context.Semaphore(1);
      Queue<std::string> queue = context.Queue<std::string>(3);
      Process process = get_context(user).Process(Options{.name = "user"}, &use_all, lock, event,
                                                  semaphore, queue);
      REQUIRE(lock.acquire(kSoon));
      process.start();
      event.set();
      CHECK_THROWS_AS(queue.get(Millis{20}), Empty);  // it waits for the lock
      lock.release();
      CHECK(queue.get(kSoon) == "user");
      REQUIRE(process.join(kSoon));
      CHECK(process.error().value_or("none") == "none");
    }
  }
}

TEST_CASE("Context: what is made only as an argument is there for the child") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const Context context = get_context(method);
    auto process = context.Process(
        [](Lock lock, Queue<int> queue, Value<int> value) {
          const Lock::Guard guard = lock.guard(kSoon);
          queue.put(value.get());
          if (queue.get(kSoon) != 7) throw std::runtime_error("the value");
        },
        context.Lock(), context.Queue<int>(), context.Value<int>(7));
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.error().value_or("none") == "none");
  }
}

TEST_CASE("Context: what is made only inside an argument is there for the child") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const Context context = get_context(method);
    auto process = context.Process(&use, Tools{Lock(), {Queue<int>(), Queue<int>()}});
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.error().value_or("none") == "none");
  }
  const Context context = get_context(Method::kForkserver);
  auto pool = context.Pool(1);
  pool.apply_async(&use, Tools{Lock(), {Queue<int>(), Queue<int>()}}).get(kSoon);
  pool.map_async(&use, std::vector{Tools{Lock(), {Queue<int>(), Queue<int>()}}}).get(kSoon);
}

TEST_CASE("Context: it hands out all that the library has") {
  const Context context = get_context("forkserver");
  auto [a, b] = context.Pipe();
  a.send(1);
  CHECK(b.recv<int>(kSoon) == 1);
  JoinableQueue<int> joinable = context.JoinableQueue<int>();
  SimpleQueue<int> simple = context.SimpleQueue<int>();
  joinable.put(2);
  simple.put(joinable.get(kSoon));
  joinable.task_done();
  CHECK(simple.get() == 2);
  CHECK(joinable.join(kSoon));
  RLock rlock = context.RLock();
  REQUIRE(rlock.acquire(kSoon));
  REQUIRE(rlock.acquire(kSoon));
  BoundedSemaphore bounded = context.BoundedSemaphore(2);
  CHECK_THROWS_AS(bounded.release(), Invalid);
  Condition condition = context.Condition();
  REQUIRE(condition.acquire(kSoon));
  CHECK(condition.notify_all() == 0);
  Lock lock = context.Lock();
  Condition with_lock = context.Condition(lock);
  {
    const auto guard = with_lock.guard(kSoon);
    CHECK(lock.locked());
  }
  CHECK(context.Condition(rlock).notify_all() == 0);  // this thread holds that
  CHECK(context.RawValue<int>(7).get() == 7);
  CHECK(context.RawArray<int>(std::vector{1, 2})[1] == 2);
  CHECK(context.RawArray<int>(3).size() == 3);
  Value<double> value = context.Value<double>(1.5, lock);
  Array<int> array = context.Array<int>(std::vector{1, 2}, rlock);
  {
    const auto held = value.lock(kSoon);
    CHECK(lock.locked());
  }
  CHECK(value.get() == 1.5);
  CHECK(array.values() == std::vector{1, 2});
  CHECK(context.Array<int>(3, lock).get(2) == 0);
  CHECK(context.Barrier(1).wait() == 0);
  CHECK(context.Value<double>(1.5).get() == 1.5);
  CHECK(context.Array<int>(3).size() == 3);
  CHECK(context.cpu_count() == cpu_count());
  CHECK(context.current_process().name() == "MainProcess");
  CHECK_FALSE(context.parent_process().has_value());
  CHECK(context.active_children().empty());
  CHECK(context.get_logger().level() == Level::kInfo);
  CHECK(context.log_to_stderr().level() == Level::kInfo);
}

TEST_CASE("Context: its forkserver loads what it is told to") {
  const Context context = get_context("forkserver");
  context.set_forkserver_preload({[] { loaded = 5; }});
  auto process = context.Process([] { std::exit(loaded); });
  process.start();
  REQUIRE(process.join(kSoon));
  CHECK(process.exitcode() == 5);
  context.set_forkserver_preload({});
}

TEST_CASE("Context: its managers are of its method") {
  const Marks marks;
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Manager manager = get_context(method).Manager();
    auto how = manager.value<std::string>();
    how.update([](std::string& text) { text = beginning(); });
    CHECK(how.get() == method_name(method));
    Manager begun = get_context(method).Manager(
        ManagerOptions{}, [](int) {}, 7);
    how = begun.value<std::string>();
    how.update([](std::string& text) { text = beginning(); });
    CHECK(how.get() == method_name(method));
    auto list = manager.list<int>({1, 2});
    list.append(3);
    CHECK(list.values() == std::vector{1, 2, 3});
    const auto refuse = [](int n) { throw std::domain_error(std::to_string(n)); };
    CHECK_THROWS_AS(get_context(method).Manager(ManagerOptions{}, refuse, 7), std::domain_error);
  }
}

TEST_CASE("Context: its pools are of its method") {
  const Marks marks;
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const Context context = get_context(method);
    const std::vector<std::string> by(2, std::string(method_name(method)));
    const auto tell = [](int) { return beginning(); };
    {
      Pool pool = context.Pool(2);
      CHECK(pool.map(&square, std::vector{3, 4, 5}) == std::vector{9, 16, 25});
      CHECK(pool.map(tell, std::vector{1, 2}) == by);
    }
    Executor executor = context.Executor({.workers = 2});
    CHECK(executor.submit(&square, 6).get(kSoon) == 36);
    for (const std::string& each : executor.map(tell, std::vector{1, 2})) CHECK(each == by[0]);
  }
}

TEST_CASE(
    "Context: of fork its pools begin without threads and replace workers by the forkserver") {
  if (methods().size() < 3) {
    WARN("not checked, because fork needs a process without threads, and this one has some");
    return;
  }
  const Marks marks;
  const Context context = get_context(Method::kFork);
  const auto tell = [](int) { return beginning(); };
  const auto die = [] { std::raise(SIGKILL); };
  {
    Pool pool = context.Pool(1);
    CHECK_THROWS_WITH(context.Pool(1), Catch::Contains("Start it before the threads"));
    CHECK_THROWS_AS(context.Executor(), Unsupported);
    CHECK(pool.apply(tell, 1) == "fork");
    CHECK_THROWS_AS(pool.apply(die), WorkerDied);
    CHECK(pool.apply(tell, 1) == "forkserver");
  }
  Executor executor = context.Executor({.workers = 1});
  CHECK(executor.processes().size() == 1);
  CHECK(executor.submit(tell, 1).get(kSoon) == "fork");
  CHECK_THROWS_AS(executor.submit(die).get(kSoon), WorkerDied);
  CHECK(executor.submit(tell, 1).get(kSoon) == "forkserver");
}
