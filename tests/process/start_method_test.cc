#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "helpers.h"
#include "stepped.h"
#include "towpath/process/exec_self.h"
#include "towpath/process/forkserver.h"
#include "towpath/process/this_process.h"
#include "towpath/process/title.h"

using namespace towpath;

namespace {

void nothing() {}

// A second thread while it lives.
class OtherThread {
 public:
  OtherThread() {
    std::unique_lock lock(mutex_);
    thread_ = std::thread([this] {
      std::unique_lock inner(mutex_);
      changed_.wait(inner, [this] { return ends_; });
    });
  }
  ~OtherThread() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;
  std::thread thread_;
};

// Where each open descriptor points, one a line.
void list_descriptors(Descriptor to) {
  std::string list;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    list += std::filesystem::read_symlink(entry.path(), gone).string() + "\n";
  }
  write_text(to.fd, list);
}

}  // namespace

TEST_CASE("Method: names and back") {
  for (const Method method : {Method::kForkserver, Method::kSpawn, Method::kFork}) {
    CHECK(parse_method(method_name(method)) == method);
  }
  CHECK_THROWS_WITH(parse_method("vfork"), Catch::Contains("forkserver, spawn and fork"));
}

TEST_CASE("Method: the default is forkserver and a child begins with its parent's") {
  CHECK(get_start_method() == Method::kForkserver);
  CHECK(get_all_start_methods().front() == Method::kForkserver);
  CHECK(get_all_start_methods().size() == 3);
  set_start_method("spawn", true);
  Process process([] { std::exit(get_start_method() == Method::kSpawn ? 7 : 1); });
  process.start();
  set_start_method(Method::kForkserver, true);
  REQUIRE(process.join(kSoon));
  CHECK(process.exitcode() == 7);
}

TEST_CASE("Method: the default is set once in a process unless forced") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process process(Options{.method = method}, [] {
      set_start_method("spawn");
      try {
        set_start_method(Method::kForkserver);
        throw std::runtime_error("was set again");
      } catch (const Invalid& error) {
        // It says what there is to do.
        const std::string text = error.what();
        if (text.find("get_context") == text.npos || text.find("to spawn") == text.npos) throw;
      }
      if (get_start_method() != Method::kSpawn) throw std::runtime_error("the second came");
      set_start_method("forkserver", true);
      if (get_start_method() != Method::kForkserver) throw std::runtime_error("force");
    });
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.error().value_or("none") == "none");
  }
  CHECK_THROWS_AS(set_start_method("vfork", true), Invalid);
}

TEST_CASE("Method: fork is refused in a process with threads and says what to do") {
  PipeEnds out;
  Process process(
      Options{.method = Method::kFork}, [](Descriptor to) { write_text(to.fd, "ran"); },
      Descriptor{out.write.get()});
  {
    const OtherThread thread;
    CHECK_THROWS_AS(process.start(), Unsupported);
    CHECK_THROWS_WITH(process.start(), Catch::Contains("kForkserver"));
  }
  if (methods().size() < 3) return;
  process.start();  // the other thread is gone
  REQUIRE(process.join(kSoon));
  CHECK(out.drain() == "ran");
}

TEST_CASE("Method: forkserver and spawn work in a process with threads and from any of them") {
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    CAPTURE(method_name(method));
    const OtherThread thread;
    PipeEnds ready;
    std::optional<Process> process;
    // The child outlives the thread that started it.
    std::thread([&] {
      process.emplace(
          Options{.daemon = true, .method = method},
          [](Descriptor is_ready) {
            say_ready(is_ready);
            run_for_ever();
          },
          Descriptor{ready.write.get()});
      process->start();
    }).join();
    await_ready(ready);
    CHECK(process->is_alive());
    CHECK_FALSE(process->join(Millis{20}));
    process->kill();
    REQUIRE(process->join(kSoon));
    CHECK(process->exitcode() == -SIGKILL);
  }
}

TEST_CASE("Method: many threads start processes at once") {
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    std::vector<std::thread> threads;
    std::atomic<int> right{0};
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&right, method, t] {
        for (int i = 0; i < 5; ++i) {
          Process process(
              Options{.method = method}, [](int code) { std::exit(code); }, 10 * t + i);
          process.start();
          if (process.join(kSoon) && process.exitcode() == 10 * t + i) ++right;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(right == 20);
  }
}

TEST_CASE("Method: children by forkserver and spawn have no stray descriptors") {
  const UniqueFd stray(::memfd_create("stray", 0));  // not close-on-exec
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    CAPTURE(method_name(method));
    std::vector<Process> siblings;
    std::vector<std::string> lists;
    for (int i = 0; i < 5; ++i) {
      PipeEnds out;
      siblings.emplace_back(Options{.method = method}, &list_descriptors,
                            Descriptor{out.write.get()});
      siblings.back().start();
      lists.push_back(out.drain());
    }
    for (const std::string& list : lists) {
      CHECK(list.find("stray") == std::string::npos);
      // Standard streams, the line, the argument, and the folder being listed.
      CHECK(std::ranges::count(list, '\n') == 6);
    }
  }
}

TEST_CASE("Method: the title is what ps shows") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    PipeEnds ready;
    Process process(
        Options{.name = "count", .daemon = true, .method = method},
        [](Descriptor is_ready) {
          const std::string given = file_text("/proc/self/cmdline");
          if (given.c_str() != std::string("towpath: count")) throw Invalid(given);
          set_process_title("towpath: word_count/a_stage_with_quite_a_long_name_for_a_title#1");
          say_ready(is_ready);
          run_for_ever();
        },
        Descriptor{ready.write.get()});
    process.start();
    await_ready(ready);
    const std::string folder = "/proc/" + std::to_string(process.pid());
    CHECK(std::string(file_text(folder + "/cmdline").c_str()) ==
          "towpath: word_count/a_stage_with_quite_a_long_name_for_a_title#1");
    CHECK(file_text(folder + "/comm") == "a_stage_with_qu\n");
    process.kill();
    process.join();
  }
}

TEST_CASE("Method: in a test of its own process fork and single steps are to be had") {
  // Where they are not, other tests leave out what needs them, and say nothing.
  CHECK(methods().size() == 3);
  CHECK(can_step() == kSteps);
}

TEST_CASE("Method: a forkserver that was killed is started again") {
  Process first(&nothing);
  first.start();
  first.join();
  for (int i = 0; i < 3; ++i) {
    const int server = Forkserver::of_this_process().pid();
    REQUIRE(server > 0);
    REQUIRE(::kill(server, SIGKILL) == 0);
    Process next(&nothing);
    next.start();
    REQUIRE(next.join(kSoon));
    CHECK(next.exitcode() == 0);
    CHECK(Forkserver::of_this_process().pid() != server);
    CHECK(::kill(server, 0) != 0);  // and no zombie is left of the old one
  }
}

TEST_CASE("Method: a forkserver killed while it starts a child loses no start") {
  Process(&nothing).start();
  for (int i = 0; i < 60; ++i) {
    const int server = Forkserver::of_this_process().pid();
    std::atomic<bool> begun = false;
    std::jthread killer([&begun, server, i] {
      begun.wait(false);
      const auto when = Clock::now() + std::chrono::microseconds(30 * i);
      while (Clock::now() < when) {
      }
      ::kill(server, SIGKILL);
    });
    PipeEnds out;
    Process process([](Descriptor to) { write_text(to.fd, "ran;"); }, Descriptor{out.write.get()});
    begun = true;
    begun.notify_one();
    process.start();
    killer.join();
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 0);
    CHECK(out.drain() == "ran;");  // once
  }
}

TEST_CASE("Method: a child outlives its forkserver") {
  PipeEnds ready;
  Process process(
      Options{.daemon = true},
      [](Descriptor is_ready) {
        say_ready(is_ready);
        run_for_ever();
      },
      Descriptor{ready.write.get()});
  process.start();
  await_ready(ready);
  ::kill(Forkserver::of_this_process().pid(), SIGKILL);
  Process next(&nothing);
  next.start();
  next.join();
  CHECK(process.is_alive());
  process.kill();
  REQUIRE(process.join(kSoon));
  CHECK(process.exitcode() == -SIGKILL);
}

TEST_CASE("Method: nothing is left of processes that have ended") {
  const auto children = [] {
    std::string all;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      all += file_text(task.path().string() + "/children");
    }
    return all;
  };
  Forkserver::of_this_process().warm_up();
  const std::string before = children();  // with the session's keeper, if there is one
  for (const Method method : methods()) {
    Process process(Options{.method = method}, &nothing);
    process.start();
    process.join();
  }
  CHECK(children() == before);
}

TEST_CASE("Method: a program whose main does not call init is told so, whatever it uses") {
  for (const char* what :
       {"process", "lock", "value", "queue", "hub", "pool", "executor", "manager"}) {
    CAPTURE(what);
    const Outcome outcome = run_program("process_without_init", what);
    CHECK(outcome.code == 0);
    CHECK_THAT(outcome.text, Catch::Contains("towpath::init(argc, argv)") &&
                                 Catch::Contains("the first statement of main"));
    CHECK_THAT(outcome.text, !Catch::Contains("ran\n"));
  }
}

TEST_CASE("Method: a program with a global lock is told what to do instead") {
  const std::string text = run_program("process_global_lock", "").text;
  CHECK_THAT(text, Catch::Contains("What is global is made before main") &&
                       Catch::Contains("pass it to children as an argument"));
  CHECK_THAT(text, !Catch::Contains("main ran"));
}

TEST_CASE("Method: a program that calls init too late is told so and starts no child again") {
  for (const char* method : {"forkserver", "spawn"}) {
    CAPTURE(method);
    const Outcome outcome = run_program("process_late_init", method);
    CHECK(outcome.code == 0);
    CHECK_THAT(outcome.text, Catch::Contains("first statement of main"));
    CHECK_THAT(outcome.text, !Catch::Contains("target"));
    const Outcome pool = run_program("process_late_init", std::string(method) + " pool");
    CHECK(pool.code == 0);
    CHECK_THAT(pool.text, Catch::Contains("first statement of main"));
    CHECK_THAT(pool.text, !Catch::Contains("target"));
  }
  CHECK_THAT(run_program("process_late_init", "forkserver").text,
             Catch::Contains("the last one ended with exit code 2"));
  CHECK_THAT(run_program("process_late_init", "early").text,
             Catch::Contains("must be the first statement"));
}

TEST_CASE("Method: a program that is stripped or linked statically has all of the library") {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  const std::vector programs{"process_stripped"};  // a sanitizer can't be linked statically
#else
  const std::vector programs{"process_stripped", "process_static"};
#endif
  for (const char* program : programs) {
    for (const char* method : {"forkserver", "spawn", "fork"}) {
      CAPTURE(program, method);
      const Outcome outcome = run_program(program, method);
      CHECK_THAT(outcome.text,
                 Catch::StartsWith("child 42 from program\nthe lock is free\n"
                                   "pipe 2, queue 4, value 6\nmanager 8\npool 9\npool 16\n"
                                   "no row 5\n  at "));
      if (program == std::string("process_static")) {
        CHECK_THAT(outcome.text, Catch::Contains("  at refuse (") &&
                                     Catch::Contains("one_child/main.cc:28)") &&
                                     Catch::Contains("ZeroMQ: a Pipe with Transport::kZeroMq") &&
                                     Catch::Contains("link the program with libtowpath.so"));
      } else {
        CHECK_THAT(outcome.text, Catch::Contains("ZeroMQ works\n"));
      }
      CHECK(outcome.code == 0);
    }
  }
}
