#include "towpath/process/process.h"

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <thread>

#include "helpers.h"
#include "towpath/memory/shared_memory.h"
#include "towpath/process/this_process.h"

using namespace towpath;

namespace {

struct Order {
  std::string item;
  std::vector<double> prices;
  std::map<std::string, int> counts;
  std::optional<int64_t> none;
  TOWPATH_FIELDS(item, prices, counts, none)
  bool operator==(const Order&) const = default;
};

const Order kOrder{std::string("a\0b", 3), {1.5, -0.25}, {{"x", 1}, {"y", -2}}, {}};

void check_arguments(int number, const Order& order, std::string_view view, const char* text) {
  if (number != -7) throw Invalid("number");
  if (order != kOrder) throw Invalid("order");
  if (view != "view" || std::string(text) != "text") throw Invalid("text");
}

void nothing() {}
void exit_with(int code) { std::exit(code); }
void raise_signal(int signal) {
  ::raise(signal);
  run_for_ever();
}
constexpr int kThrowLine = __LINE__ + 1;
void throw_runtime_error() { throw std::runtime_error("the \"reason\""); }
void throw_number() { throw 42; }

}  // namespace

TEST_CASE("Process: arguments are equal in the child") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process process(Options{.method = method}, &check_arguments, -7, kOrder, "view", "text");
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.error().value_or("none") == "none");
    CHECK(process.exitcode() == 0);
  }
}

TEST_CASE("Process: arguments of any size arrive") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const std::string large(5'000'000, 'x');
    Process process(
        Options{.method = method},
        [](const std::string& text) { std::exit(text.size() == 5'000'000 ? 5 : 1); }, large);
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 5);
  }
}

TEST_CASE("Process: a lambda without captures is a target and one with captures is none") {
  int captured = 1;
  const auto capturing = [captured] { return captured; };
  static_assert(!Target<decltype(capturing)>);
  static_assert(Target<decltype(&nothing)>);
  Process process([](int code) { std::exit(code); }, 9);
  process.start();
  REQUIRE(process.join(kSoon));
  CHECK(process.exitcode() == 9);
}

namespace {
struct Task : Runnable {
  int code;
  explicit Task(int n) : code(n) {}
  void run() override { std::exit(code); }
};
struct Refuses : Runnable {
  explicit Refuses(int n) { throw std::domain_error("no " + std::to_string(n)); }
  void run() override { std::exit(7); }
};
// Travels, and can't be read where it arrives.
struct Unreadable {};
}  // namespace

template <>
struct towpath::Codec<Unreadable> {
  static void write(Encoder& out, const Unreadable&) { out.integer(9); }
  static Unreadable read(Decoder& in) {
    throw std::range_error("nine can't be read: " + std::to_string(in.integer()));
  }
};

TEST_CASE("Process: a Runnable is constructed and run in the child") {
  for (const Method method : methods()) {
    Process process = Process::of<Task>(Options{.method = method}, 11);
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 11);
  }
}

TEST_CASE("Process: the exit code is that of exit or minus the signal") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    for (const int code : {0, 3, 255}) {
      Process process(Options{.method = method}, &exit_with, code);
      process.start();
      REQUIRE(process.join(kSoon));
      CHECK(process.exitcode() == code);
    }
    for (const int signal : {SIGKILL, SIGUSR1, SIGTERM}) {
      Process process(Options{.method = method}, &raise_signal, signal);
      process.start();
      REQUIRE(process.join(kSoon));
      CHECK(process.exitcode() == -signal);
    }
  }
}

TEST_CASE("Process: an uncaught exception is exit code 1 and its text on stderr and in error") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    PipeEnds out;
    Options options{.name = "thrower", .method = method};
    options.stderr_fd = out.write.get();
    Process process(options, &throw_runtime_error);
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 1);
    CHECK(process.error() == "std::runtime_error: the \"reason\"");
    const std::string text = out.drain();
    CHECK_THAT(text,
               Catch::StartsWith("towpath: process thrower (pid " + std::to_string(process.pid()) +
                                 ") ended by an uncaught exception: std::runtime_error: the "
                                 "\"reason\"\n"));
    // The trace: the function, with file and line; and nothing of how the child came to call it.
    CHECK_THAT(text, Catch::Contains("\n  at throw_runtime_error (") &&
                         Catch::Contains("process_test.cc:" + std::to_string(kThrowLine) + ")"));
    CHECK_THAT(text, !Catch::Contains("job.cc") && !Catch::Contains("call::"));

    PipeEnds ignored;
    Process third(Options{.method = method, .stderr_fd = ignored.write.get()}, &throw_number);
    third.start();
    REQUIRE(third.join(kSoon));
    CHECK(third.error() == "an exception of type int");
  }
}

TEST_CASE("Process: what goes wrong before its target runs is exit code 1 and in error") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    PipeEnds ignored;
    const Options options{.method = method, .stderr_fd = ignored.write.get()};
    const auto error_of = [](Process process) {
      process.start();
      REQUIRE(process.join(kSoon));
      CHECK(process.exitcode() == 1);
      return process.error().value_or("none");
    };
    CHECK(error_of(Process(
              options, [](const Unreadable&) { std::exit(7); }, Unreadable{})) ==
          "std::range_error: nine can't be read: 9");
    CHECK(error_of(Process::of<Refuses>(options, 3)) == "std::domain_error: no 3");
    SharedMemory memory = SharedMemory::create(8);
    Process late(
        options, [](const SharedMemory&) { std::exit(7); }, memory);
    memory.unlink();
    CHECK_THAT(error_of(std::move(late)), Catch::StartsWith("towpath::Closed: ") &&
                                              Catch::Contains(memory.name()) &&
                                              Catch::Contains("is not found"));
  }
}

TEST_CASE("Process: terminate and kill end it at once") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process terminated = running(method);
    CHECK(terminated.is_alive());
    terminated.terminate();
    REQUIRE(terminated.join(kSoon));
    CHECK(terminated.exitcode() == -SIGTERM);
    CHECK_FALSE(terminated.is_alive());
    terminated.kill();  // has ended: nothing happens

    Process killed = running(method);
    killed.kill();
    REQUIRE(killed.join(kSoon));
    CHECK(killed.exitcode() == -SIGKILL);
  }
}

TEST_CASE("Process: the child ignores SIGINT and stop ends it") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process process = running(method);
    process.interrupt();
    CHECK_FALSE(process.join(Millis{50}));
    REQUIRE(children::stop(process, kSoon));
    CHECK(process.exitcode() == -SIGTERM);
  }
}

TEST_CASE("Process: stop kills what ignores SIGTERM") {
  for (const Method method : methods()) {
    PipeEnds ready;
    Process process(
        Options{.daemon = true, .method = method},
        [](Descriptor is_ready) {
          ::signal(SIGTERM, SIG_IGN);
          wait_for_ever(is_ready);
        },
        Descriptor{ready.write.get()});
    process.start();
    await_ready(ready);
    REQUIRE(children::stop(process, Millis{50}));
    CHECK(process.exitcode() == -SIGKILL);
  }
}

TEST_CASE("Process: the sentinel is readable once the process has ended") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process process = running(method);
    CHECK_FALSE(wait_readable(process.sentinel(), Millis{0}));
    process.kill();
    CHECK(wait_readable(process.sentinel(), kSoon));
    CHECK(process.exitcode() == -SIGKILL);
    CHECK(wait_readable(process.sentinel(), Millis{0}));  // still, after the process was reaped
  }
}

TEST_CASE("Process: join with a timeout returns in time and says whether it ended") {
  for (const Method method : methods()) {
    Process process = running(method);
    CHECK_FALSE(process.join(Millis{0}));
    CHECK_FALSE(process.join(Millis{-1}));
    CHECK_FALSE(process.join(Millis{20}));
    CHECK_FALSE(process.exitcode().has_value());
    process.kill();
    CHECK(process.join());
    CHECK(process.join(Millis{0}));
  }
}

TEST_CASE("Process: calls at the wrong time are Invalid and say why") {
  Process process(&nothing);
  CHECK_THROWS_WITH(process.join(), Catch::Contains("was not started"));
  CHECK_THROWS_AS(process.sentinel(), Invalid);
  CHECK_THROWS_AS(process.pid(), Invalid);
  CHECK_THROWS_AS(process.terminate(), Invalid);
  CHECK_FALSE(process.is_alive());
  CHECK_FALSE(process.exitcode().has_value());
  process.start();
  CHECK_THROWS_WITH(process.start(), Catch::Contains("was started before"));
  process.join();
  process.close();
  CHECK_THROWS_WITH(process.join(), Catch::Contains("is closed"));
  CHECK(process.exitcode() == 0);

  Process alive = running(Method::kForkserver);
  CHECK_THROWS_WITH(alive.close(), Catch::Contains("runs"));
  alive.kill();
}

TEST_CASE("Process: the destructor joins and ends a daemon") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    PipeEnds out;
    {
      Process process(
          Options{.method = method}, [](Descriptor to) { write_text(to.fd, "done"); },
          Descriptor{out.write.get()});
      process.start();
    }
    CHECK(out.drain() == "done");
    int pid = 0;
    {
      const Process daemon = running(method);
      pid = daemon.pid();
    }
    CHECK(::kill(pid, 0) != 0);
  }
}

TEST_CASE("Process: it is a daemon only if its Options say so, also a daemon's child") {
  const auto is_daemon = [](bool wanted) {
    if (current_process().daemon() != wanted) throw std::runtime_error("it is not as it was told");
    Process unsaid([] { std::exit(current_process().daemon() ? 1 : 5); });
    if (unsaid.daemon()) throw std::runtime_error("a daemon's child was made one");
    unsaid.start();
    unsaid.join();
    if (unsaid.exitcode() != 5) throw std::runtime_error("a daemon's child is one");
  };
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process unsaid(Options{.method = method}, is_daemon, false);
    Process no(Options{.daemon = false, .method = method}, is_daemon, false);
    Process yes(Options{.daemon = true, .method = method}, is_daemon, true);
    CHECK_FALSE(unsaid.daemon());
    CHECK_FALSE(no.daemon());
    CHECK(yes.daemon());
    for (Process* const process : {&unsaid, &no, &yes}) {
      process->start();
      CHECK(active_children().at(0).daemon() == process->daemon());
      REQUIRE(process->join(kSoon));
      CHECK(process->error().value_or("none") == "none");
      CHECK(process->daemon() == (process == &yes));
    }
  }
}

TEST_CASE("Process: atexit hooks of the child run and those of a forking parent do not") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    PipeEnds out;
    Process process(
        Options{.method = method},
        [](Descriptor to) {
          static int hook_fd;
          hook_fd = to.fd;
          std::atexit([] { write_text(hook_fd, "hook"); });
        },
        Descriptor{out.write.get()});
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(out.drain() == "hook");
  }
  // A process that sets a hook, then forks.
  PipeEnds out;
  Process parent(
      [](Descriptor to) {
        static int hook_fd;
        hook_fd = to.fd;
        std::atexit([] { write_text(hook_fd, "once"); });
        if (methods().size() < 3) return;
        Process child(Options{.method = Method::kFork}, &nothing);
        child.start();
      },
      Descriptor{out.write.get()});
  parent.start();
  REQUIRE(parent.join(kSoon));
  CHECK(out.drain() == "once");
}

TEST_CASE("Process: a child starts children of its own by every method") {
  for (const Method method : methods()) {
    for (const Method inner : methods()) {
      CAPTURE(method_name(method), method_name(inner));
      Process process(
          Options{.method = method},
          [](Method with) {
            Process child(Options{.method = with}, &exit_with, 21);
            child.start();
            child.join();
            std::exit(*child.exitcode() + 1);
          },
          inner);
      process.start();
      REQUIRE(process.join(kSoon));
      CHECK(process.error().value_or("none") == "none");
      CHECK(process.exitcode() == 22);
    }
  }
}

TEST_CASE("Process: a hundred at once all end with their codes") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    std::vector<Process> processes;
    for (int i = 0; i < 100; ++i) {
      processes.emplace_back(Options{.method = method}, &exit_with, i);
      processes.back().start();
    }
    for (int i = 0; i < 100; ++i) {
      REQUIRE(processes[static_cast<size_t>(i)].join(kSoon));
      REQUIRE(processes[static_cast<size_t>(i)].exitcode() == i);
    }
  }
}

TEST_CASE("Process: how it ended is not a forked child's to ask") {
  Process process(&nothing);
  process.start();
  REQUIRE(process.join(kSoon));
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int refused = 0;
    for (const bool code : {true, false}) {
      try {
        if (code) {
          (void)process.exitcode();
        } else {
          (void)process.error();
        }
      } catch (const Invalid&) {
        ++refused;
      }
    }
    ::_exit(refused);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 2);
}

TEST_CASE("Process: one that is stopped says so until it goes on or ends") {
  const Method method = GENERATE(from_range(methods()));
  PipeEnds ready;
  Process child(
      Options{.method = method},
      [](Descriptor to) {
        say_ready(to);
        run_for_ever();
      },
      Descriptor{ready.write.get()});
  CHECK_FALSE(child.is_stopped());
  child.start();
  REQUIRE(await_ready(ready));
  CHECK_FALSE(child.is_stopped());
  const auto soon = [&](bool stopped) {
    const Deadline deadline(kSoon);
    while (child.is_stopped() != stopped && !deadline.passed()) std::this_thread::yield();
    return child.is_stopped() == stopped;
  };
  ::kill(child.pid(), SIGSTOP);
  CHECK(soon(true));
  CHECK(child.is_stopped());
  ::kill(child.pid(), SIGCONT);
  CHECK(soon(false));
  ::kill(child.pid(), SIGSTOP);
  CHECK(soon(true));
  child.kill();
  CHECK(child.join(kSoon));
  CHECK_FALSE(child.is_stopped());
}
