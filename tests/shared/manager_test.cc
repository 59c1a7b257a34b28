#include "towpath/shared/manager.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <optional>
#include <thread>

#include "helpers.h"
#include "towpath/channel/listener.h"
#include "towpath/process/remote_error.h"
#include "towpath/process/this_process.h"
#include "towpath/shared/manager_client.h"
#include "towpath/shared/manager_server.h"
#include "towpath/shared/shared_memory_manager.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

std::string started_with;

struct Part {
  std::string name = "child";
  std::string text() const { return name; }
  static void expose(Exposes<Part>& type) { type.constructor<>().method<&Part::text>("text"); }
};

struct OwnError {
  int code;
};

int64_t twice(struct Counter& counter, int64_t n);

struct Counter {
  explicit Counter(int64_t start) : n(start) {
    if (start < 0) throw std::invalid_argument("a counter can't begin below 0");
  }
  int64_t add(int64_t by) { return n += by; }
  int64_t value() const { return n; }
  static constexpr int kFailLine = __LINE__ + 1;
  void fail(std::string text) { throw std::runtime_error(text); }
  static constexpr int kFailOddlyLine = __LINE__ + 1;
  void fail_oddly() { throw OwnError{5}; }
  std::string where() const { return current_process().name() + started_with; }
  std::shared_ptr<Part> child() { return std::make_shared<Part>(); }
  void hidden() {}

  static void expose(Exposes<Counter>& type) {
    type.constructor<int64_t>()
        .method<&Counter::add>("add")
        .method<&Counter::value>("value")
        .method<&Counter::fail>("fail")
        .method<&Counter::fail_oddly>("fail_oddly")
        .method<&Counter::where>("where")
        .method<&Counter::child>("child")
        .method<&twice>("twice");
  }

  int64_t n;
};

int64_t twice(Counter& counter, int64_t n) { return counter.add(2 * n); }

// Its end takes its time.
struct Slow {
  Slow(Event go_on, Event gone) : until(std::move(go_on)), ended(std::move(gone)) {}
  ~Slow() {
    until.wait(kSoon);
    ended.set();
  }
  static void expose(Exposes<Slow>& type) { type.constructor<Event, Event>(); }
  Event until, ended;
};

// Its end calls the manager that holds it.
struct Farewell {
  explicit Farewell(ListProxy<int> words) : to(std::move(words)) {}
  ~Farewell() { to.append(1); }
  static void expose(Exposes<Farewell>& type) { type.constructor<ListProxy<int>>(); }
  ListProxy<int> to;
};

void begin_with(std::string text, int number) { started_with = text + std::to_string(number); }

}  // namespace

TEST_CASE("Manager: a class of the user's is called by its methods") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Manager manager({.method = method});
    auto counter = manager.make<Counter>(5);
    CHECK(counter.call<&Counter::add>(2) == 7);
    CHECK(counter.call<int64_t>("add", 3) == 10);
    CHECK(counter.call<&twice>(5) == 20);
    CHECK(counter.call<&Counter::value>() == 20);
    CHECK_THAT(counter.call<&Counter::where>(), Catch::Contains("Manager-"));
    const ObjectProxy<Part> child = counter.call<&Counter::child>();
    CHECK(child.call<&Part::text>() == "child");
    Children children;
    children.start(
        method, [](ObjectProxy<Counter> it) { it.call<&Counter::add>(100); }, counter);
    REQUIRE(children.joined());
    CHECK(counter.call<&Counter::value>() == 120);
  }
}

TEST_CASE("Manager: a method that is not exposed is a RemoteError that names those there are") {
  Manager manager;
  const auto counter = manager.make<Counter>(5);
  try {
    counter.call<int>("hidden");
    FAIL("nothing was thrown");
  } catch (const RemoteError& error) {
    CHECK_THAT(error.what(),
               Catch::Contains("\"hidden\" is no exposed method of (anonymous namespace)::Counter; "
                               "exposed are add, child, fail, fail_oddly, twice, value, where"));
  }
  CHECK_THROWS_AS(counter.call<&Counter::hidden>(), Invalid);
  const auto list = manager.list<int>();
  const auto any = from_bytes<ObjectProxy<>>(to_bytes(list));
  CHECK_THROWS_AS(any.call("__class__"), RemoteError);
  CHECK(any.call<int>("size") == 0);
}

TEST_CASE("Manager: exceptions arrive with type and message and trace") {
  Manager manager({.name = "Keeper"});
  const auto counter = manager.make<Counter>(5);
  CHECK_THROWS_WITH(manager.make<Counter>(-1), "a counter can't begin below 0");
  CHECK_THROWS_AS(manager.make<Counter>(-1), std::invalid_argument);
  try {
    counter.call<&Counter::fail>("broken");
    FAIL("nothing was thrown");
  } catch (const std::runtime_error& error) {
    CHECK(error.what() == std::string("broken"));
    const RemoteTrace* remote = remote_of(error);
    REQUIRE(remote != nullptr);
    CHECK(remote->worker == "Keeper (pid " + std::to_string(manager.pid()) + ")");
    CHECK_THAT(remote->trace, Catch::Contains("fail") && Catch::Contains("manager_test.cc"));
  }
  try {
    counter.call<&Counter::fail_oddly>();
    FAIL("nothing was thrown");
  } catch (const RemoteError& error) {
    CHECK_THAT(error.remote().type, Catch::Contains("OwnError"));
    CHECK_THAT(error.what(), Catch::StartsWith("an exception of type " + error.remote().type));
  }
  CHECK_THROWS_AS(counter.call<int64_t>("add", "text"), Invalid);
  CHECK_THROWS_WITH(counter.call<int64_t>("add"), Catch::Contains("too few arguments"));
  CHECK_THROWS_WITH(counter.call<int64_t>("add", 1, 2), Catch::Contains("1 arguments too many"));
  CHECK(counter.call<&Counter::value>() == 5);
}

TEST_CASE("Manager: the initializer runs there first and its failure fails the start") {
  Manager manager({}, begin_with, "begun ", 42);
  CHECK_THAT(manager.make<Counter>(0).call<&Counter::where>(), Catch::EndsWith("begun 42"));
  CHECK(started_with.empty());
  CHECK_THROWS_WITH(Manager({}, [] { throw std::runtime_error("no database"); }), "no database");
  CHECK_THROWS_WITH(Manager({.name = "Early"}, [] { ::_exit(3); }),
                    Catch::Contains("Early: its process ended while it started"));
}

TEST_CASE("Manager: shutdown ends its process once and for all") {
  const size_t before = shared_files("listener").size();
  Manager manager({.name = "Brief"});
  auto list = manager.list<int>({1});
  const int pid = manager.pid();
  bool told = false;
  std::thread waiting([&] {
    auto queue = manager.queue<int>();
    try {
      queue.get();
    } catch (const Closed&) {
      told = true;
    }
  });
  REQUIRE(has_objects(manager, 2));
  manager.shutdown();
  manager.shutdown();
  waiting.join();
  CHECK(told);
  CHECK_FALSE(std::filesystem::exists("/proc/" + std::to_string(pid)));
  CHECK(shared_files("listener").size() == before);
  CHECK_THROWS_AS(list.size(), Closed);
  CHECK_THROWS_WITH(list.size(), Catch::Contains("Brief (pid " + std::to_string(pid)));
  CHECK_THROWS_AS((manager.dict<int, int>()), Closed);
  CHECK_THROWS_AS(Manager::connect(manager.address()).shutdown(), Closed);
}

TEST_CASE("Manager: who connects can share and not end it") {
  Manager manager;
  manager.publish("numbers", manager.list<int>({1, 2}));
  Manager other = Manager::connect(manager.address());
  CHECK(other.find<ListProxy<int>>("numbers").values() == std::vector<int>{1, 2});
  CHECK_THROWS_WITH((other.find<DictProxy<int, int>>("numbers")),
                    Catch::Contains("is a list, not a dict"));
  CHECK_THROWS_WITH(other.find<ObjectProxy<>>("none"), Catch::Contains("published are: numbers"));
  CHECK_THROWS_AS(other.publish("numbers", other.list<int>()), Invalid);
  CHECK_THROWS_AS(other.shutdown(), Invalid);
  Manager third;
  CHECK_THROWS_WITH(manager.publish("x", third.list<int>()), Catch::Contains("of another manager"));
  CHECK(other.unpublish("numbers"));
  CHECK_FALSE(other.unpublish("numbers"));
  CHECK_THROWS_AS(Manager::connect("ipc:///tmp/none/at/all"), Error);
}

TEST_CASE("Manager: over TCP with a key it serves other programs by name") {
  const ConnectOptions secret{.key = "a long and random secret"};
  ManagerOptions options{.name = "Remote", .address = "tcp://127.0.0.1:0", .connect = secret};
  options.type<Counter>("Counter");
  Manager manager(options);
  manager.publish("jobs", manager.queue<std::string>());
  Children children;
  children.start(
      Method::kSpawn,
      [](std::string address, std::string key) {
        Manager there = Manager::connect(address, {.key = key});
        there.find<QueueProxy<std::string>>("jobs").put("from afar");
        auto counter = there.create("Counter", 40);
        if (counter.call<int64_t>("add", 2) != 42) std::exit(2);
        if (there.create<Counter>("Counter", 1).call<&Counter::add>(1) != 2) std::exit(3);
      },
      manager.address(), secret.key);
  auto jobs = manager.find<QueueProxy<std::string>>("jobs");
  CHECK(jobs.get(kSoon) == "from afar");
  REQUIRE(children.joined());
  // A proxy that is sent doesn't show the key; a child of this program gets in nevertheless.
  CHECK_THAT(to_bytes(jobs), !Catch::Contains(secret.key));
  children.start(
      Method::kSpawn, [](QueueProxy<std::string> it) { it.put("sealed"); }, jobs);
  CHECK(jobs.get(kSoon) == "sealed");
  REQUIRE(children.joined());
  CHECK_THROWS_AS(Manager::connect(manager.address(), {.key = "wrong"}, kSoon),
                  AuthenticationError);
  CHECK_THROWS_AS(Manager::connect(manager.address(), {.plain_tcp = true}, kSoon), Error);
  CHECK_THROWS_WITH(manager.create("Nothing"), Catch::Contains("ManagerOptions.types has Counter"));
  // Functions don't travel there, unless that is wanted.
  CHECK_THROWS_AS(manager.make<Counter>(1), Unsupported);
  CHECK_THROWS_AS(manager.value<int>().update([](int& n) { ++n; }), Unsupported);
  CHECK_THROWS_AS(manager.barrier(2, [] {}), Unsupported);
  // The processes of a program need no key of their own.
  Manager inner({.address = "tcp://127.0.0.1:0"});
  auto counted = inner.make<Counter>(1);
  children.start(
      Method::kForkserver, [](ObjectProxy<Counter> it) { it.call<&Counter::add>(5); }, counted);
  REQUIRE(children.joined());
  CHECK(counted.call<&Counter::value>() == 6);
  options.remote_functions = true;
  Manager trusting(options);
  CHECK(trusting.make<Counter>(1).call<&Counter::add>(1) == 2);
}

TEST_CASE("Manager: another program needs the key and learns where exceptions were thrown") {
  const std::string key = "a-long-and-random-secret";
  ManagerOptions options{.name = "Remote", .address = "tcp://127.0.0.1:0", .connect = {.key = key}};
  options.type<Counter>("Counter");
  Manager manager(options);
  auto jobs = manager.queue<std::string>();
  manager.publish("jobs", jobs);
  const Outcome outcome = run_program("shared_other_program", manager.address() + " " + key);
  CHECK(outcome.code == 0);
  const std::string in = "in Remote (pid " + std::to_string(manager.pid()) + ")\n";
  CHECK_THAT(outcome.text,
             Catch::StartsWith("a wrong key is refused\na wrong key is refused\ncounted 42\n"
                               "caught broken\nstd::runtime_error: broken\n" +
                               in + "  at "));
  const auto at_line = [](int line) { return "manager_test.cc:" + std::to_string(line) + ")"; };
  const auto odd = outcome.text.find("\n(anonymous namespace)::OwnError: \n" + in);
  REQUIRE(odd != std::string::npos);
  CHECK_THAT(outcome.text.substr(0, odd),
             Catch::Contains("  at fail (") && Catch::EndsWith(at_line(Counter::kFailLine)));
  CHECK_THAT(outcome.text.substr(odd),
             Catch::Contains("  at fail_oddly (") &&
                 Catch::EndsWith(at_line(Counter::kFailOddlyLine) + "\n"));
  CHECK(jobs.get(kSoon) == "from afar");
}

TEST_CASE("ManagerServer: a process serves its own objects until it is stopped") {
  ManagerServer server({.name = "Here"});
  Manager here = server.manager();
  here.publish("list", here.list<int>({1}));
  Children children;
  Process& child = children.start(
      Method::kForkserver,
      [](std::string address) {
        auto list = Manager::connect(address).find<ListProxy<int>>("list");
        list.append(2);
        try {
          Manager::connect(address).queue<int>().get();
        } catch (const Closed&) {
          std::exit(7);
        }
      },
      server.address());
  auto list = here.find<ListProxy<int>>("list");
  REQUIRE(await([&] { return list.size() == 2; }));
  REQUIRE(has_objects(here, 2));
  CHECK_FALSE(server.serve(Millis{10}));
  std::thread stopper([&] { server.stop(); });
  CHECK(server.serve(kSoon));
  stopper.join();
  REQUIRE(child.join(kSoon));
  CHECK(child.exitcode() == 7);
  CHECK_THROWS_AS(list.size(), Closed);
  server.stop();
}

TEST_CASE("Manager: a destructor of the user's holds up nobody") {
  Manager manager({.transit = Millis{0}});
  auto lock = manager.lock();
  lock.acquire();
  Event go_on;
  const Event ended;
  std::optional slow(manager.make<Slow>(go_on, ended));
  const auto begin = Clock::now();
  slow.reset();
  auto list = manager.list<int>({1});
  CHECK(list.size() == 1);
  CHECK(Clock::now() - begin < kSoon / 4);
  // Its client counts as alive: nothing of it was given back.
  CHECK(lock.locked());
  go_on.set();
  CHECK(ended.wait(kSoon));
  lock.release();
}

TEST_CASE("Manager: a destructor may call the manager whoever let go of its object last") {
  Manager manager({.transit = Millis{1}});
  const auto words = manager.list<int>();
  const auto said = [&](uint64_t times) { return await([&] { return words.size() == times; }); };
  // A client; the time on the way; an object that held it; its name.
  { const auto dropped = manager.make<Farewell>(words); }
  CHECK(said(1));
  (void)to_bytes(manager.make<Farewell>(words));
  CHECK(said(2));
  auto holder = manager.value<std::optional<ObjectProxy<Farewell>>>(manager.make<Farewell>(words));
  holder.set(std::nullopt);
  CHECK(said(3));
  manager.publish("farewell", manager.make<Farewell>(words));
  manager.unpublish("farewell");
  CHECK(said(4));
  CHECK((manager.dict<int, int>().empty()));
}

TEST_CASE("Manager: what is assigned over ends at once") {
  Manager manager;
  const int pid = manager.pid();
  Manager other;
  const int left = other.pid();
  manager = std::move(other);
  CHECK_FALSE(std::filesystem::exists("/proc/" + std::to_string(pid)));
  CHECK(manager.pid() == left);
  CHECK(manager.list<int>({1}).size() == 1);

  SharedMemoryManager memories;
  const Handle first = memories.shared_memory(100).handle();
  SharedMemoryManager others;
  const Handle second = others.shared_memory(100).handle();
  memories = std::move(others);
  CHECK_THROWS_AS(SharedMemory::open(first), Closed);
  CHECK(SharedMemory::open(second).size() == 100);
}

TEST_CASE("ManagerServer: a copy that fork made is not the server") {
  std::optional<ManagerServer> server(std::in_place);
  Manager here = server->manager();
  auto list = here.list<int>({1});
  const pid_t child = ::fork();
  if (child == 0) {
    bool refused = false;
    try {
      server->stop();
    } catch (const Invalid&) {
      refused = true;
    }
    server.reset();
    ::_exit(refused ? 5 : 6);
  }
  int status = 0;
  const bool ended = await([&] { return ::waitpid(child, &status, WNOHANG) == child; });
  if (!ended) {
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
  }
  REQUIRE(ended);
  CHECK(WEXITSTATUS(status) == 5);
  CHECK(list.size() == 1);
  CHECK(Manager::connect(server->address(), {}, kSoon).number_of_objects() == 1);
}

TEST_CASE("ManagerServer: it serves until it is stopped though the time given is beyond clocks") {
  ManagerServer server;
  std::thread stopper([&] { server.stop(); });
  CHECK(server.serve(kForever - Millis{1}));
  stopper.join();
}

TEST_CASE("Manager: what a line that ends had been given goes back though its client lives") {
  Manager manager;
  auto lock = manager.lock();
  auto rlock = manager.rlock();
  auto semaphore = manager.semaphore(1);
  auto queue = manager.queue<int>();
  queue.put(1);
  Connection lease = Client(manager.address());
  lease.send(managed::Hello{.client = 77, .lease = true});
  CHECK(lease.recv(kSoon).as_array()[0] == Object(0));
  const auto ask = [&](uint64_t object, const std::string& method, const auto&... arguments) {
    Connection line = Client(manager.address());
    line.send(managed::Hello{.client = 77});
    CHECK(line.recv(kSoon).as_array()[0] == Object(0));
    Encoder request;
    request.array(4);
    request.unsigned_integer(object);
    request.string(method);
    request.array(sizeof...(arguments));
    (encode(request, arguments), ...);
    request.array(0);
    line.send_bytes(request.bytes());
    CHECK(line.recv(kSoon).as_array()[0] == Object(2));
  };
  ask(lock.id(), "acquire", uint64_t{5}, int64_t{0});
  CHECK(lock.acquire(kSoon));
  ask(rlock.id(), "acquire", uint64_t{5}, int64_t{0});
  CHECK(rlock.acquire(kSoon));
  ask(semaphore.id(), "acquire", int64_t{0}, true);
  CHECK(semaphore.acquire(kSoon));
  ask(queue.id(), "get", int64_t{0});
  CHECK(queue.get(kSoon) == 1);
  lease.close();
  CHECK(lock.locked());
}
