// Who a process is, and how parent and child see each other.
#include <catch2/catch.hpp>
#include <stdexcept>
#include <thread>

#include "helpers.h"
#include "towpath/base/cpu_count.h"
#include "towpath/base/log.h"
#include "towpath/channel/connection.h"
#include "towpath/process/this_process.h"

using namespace towpath;

namespace {

void nothing() {}

void stay(Descriptor ready) {
  say_ready(ready);
  run_for_ever();
}

// A child that stays, running.
Process staying(Method method, std::string name = {}) {
  PipeEnds ready;
  Process process(Options{.name = std::move(name), .daemon = true, .method = method}, &stay,
                  Descriptor{ready.write.get()});
  process.start();
  REQUIRE(await_ready(ready));
  return process;
}

std::vector<std::string> names(const std::vector<Child>& children) {
  std::vector<std::string> all;
  for (const Child& child : children) all.push_back(child.name());
  return all;
}

// Two children each, `depth` deep, one after the other: every process says its place before its
// children do.
void recurse(const std::vector<int>& place, Descriptor to, int depth) {
  std::string text = "[";
  for (const int step : place) text += std::to_string(step);
  write_text(to.fd, text + "]");
  for (int i = 0; depth > 0 && i < 2; ++i) {
    std::vector<int> below = place;
    below.push_back(i);
    Process child(&recurse, below, to, depth - 1);
    child.start();
    child.join();
  }
}

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

}  // namespace

TEST_CASE("Identity: the program itself is alive and no daemon and has a key and no parent") {
  const CurrentProcess self = current_process();
  CHECK(self.name() == "MainProcess");
  CHECK(self.pid() == ::getpid());
  CHECK_FALSE(self.daemon());
  CHECK(self.is_alive());
  CHECK_FALSE(self.exitcode().has_value());
  CHECK(self.authkey().bytes().size() == 32);
  CHECK(self.authkey() == current_process().authkey());
  CHECK_FALSE(parent_process().has_value());
  CHECK(cpu_count() >= 1);
}

TEST_CASE("Identity: a child is what its handle says and knows its parent") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    auto [mine, its] = Pipe();
    Process process(
        Options{.name = "worker#2", .daemon = true, .method = method},
        [](Connection parent, int parent_pid, const std::string& key, Method expected) {
          const CurrentProcess self = current_process();
          parent.send(std::pair(self.name(), self.pid()));
          require(self.daemon(), "daemon");
          require(self.authkey().bytes() == key, "key");
          require(get_start_method() == expected, "method");
          require(Process(&nothing).name() == "worker#2:1", "its child's name");
          const std::optional<ParentProcess> above = parent_process();
          require(above && above->name() == "MainProcess", "the parent's name");
          require(above->pid() == parent_pid && ::getppid() == parent_pid, "the parent's pid");
          require(above->is_alive() && !above->join(Millis{0}), "the parent is gone");
          require(log_level() == Level::kError, "log level");
        },
        std::move(its), ::getpid(), program_key().bytes(), get_start_method());
    set_log_level(Level::kError);
    process.start();
    set_log_level(Level::kInfo);
    const auto [name, pid] = mine.recv<std::pair<std::string, int>>(kSoon);
    CHECK(name == process.name());
    CHECK(pid == process.pid());
    REQUIRE(process.join(kSoon));
    CHECK(process.error().value_or("none") == "none");
  }
}

TEST_CASE("Identity: a key that a process sets is its children's") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process process(
        Options{.method = method},
        [](Method inner) {
          current_process().set_authkey(AuthKey("of two programs"));
          Process child(Options{.method = inner}, [] {
            require(current_process().authkey() == AuthKey("of two programs"), "another key");
          });
          child.start();
          child.join();
          require(child.exitcode() == 0, "the child's child");
        },
        method);
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.error().value_or("none") == "none");
  }
  CHECK_THROWS_AS(AuthKey(""), Invalid);
  CHECK_FALSE(current_process().authkey() == AuthKey("of two programs"));
  static_assert(!Sendable<AuthKey>);  // it travels by inheritance alone
}

TEST_CASE("Identity: a child that outlives its parent sees its end") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    auto [mine, its] = Pipe();
    // The middle one starts the lowest, which reports over the pipe.
    Process middle(
        Options{.name = "middle", .daemon = true},
        [](Connection top, Method below) {
          Process lowest(
              Options{.name = "lowest", .method = below, .outlives_parent = true},
              [](Connection above) {
                const std::optional<ParentProcess> parent = parent_process();
                const auto state = [&parent] {
                  const bool told = wait_readable(parent->sentinel(), Millis{0});
                  return std::string(parent->is_alive() ? " lives" : " is dead") +
                         (told ? ", says its sentinel" : "");
                };
                above.send(parent->name() + state());
                const bool ended = parent->join(kSoon);
                above.send((ended ? "ended and" : "late and") + state());
              },
              std::move(top));
          lowest.start();
          run_for_ever();
        },
        std::move(its), method);
    middle.start();
    CHECK(mine.recv<std::string>(kSoon) == "middle lives");
    middle.kill();
    CHECK(mine.recv<std::string>(kSoon) == "ended and is dead, says its sentinel");
    REQUIRE(middle.join(kSoon));
    // Nobody is left: the pipe's other end was the lowest one's alone.
    CHECK_THROWS_AS(mine.recv<std::string>(kSoon), EndOfStream);
  }
}

TEST_CASE("Identity: children come depth first when each is joined") {
  PipeEnds out;
  recurse({}, Descriptor{out.write.get()}, 2);
  CHECK(out.drain() == "[][0][00][01][1][10][11]");
}

TEST_CASE("Children: active are those that run and only those") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    REQUIRE(names(active_children()).empty());
    Process waits(Options{.name = "later", .method = method}, &nothing);
    CHECK(names(active_children()).empty());
    Process first = staying(method, "first");
    Process second = staying(method, "second");
    CHECK(names(active_children()) == std::vector<std::string>{"first", "second"});
    first.kill();
    REQUIRE(wait_readable(first.sentinel(), kSoon));
    CHECK(names(active_children()) == std::vector<std::string>{"second"});  // not yet joined
    second.terminate();
    REQUIRE(second.join(kSoon));
    CHECK(active_children().empty());
    CHECK(first.exitcode() == -SIGKILL);  // reaped above, its code is kept
    waits.start();
    REQUIRE(waits.join(kSoon));
    CHECK(waits.exitcode() == 0);
    CHECK(active_children().empty());
  }
}

TEST_CASE("Children: one that was never asked for is reaped when another starts") {
  Process first = staying(Method::kForkserver);
  const int pid = first.pid();
  first.kill();
  REQUIRE(wait_readable(first.sentinel(), kSoon));
  CHECK(::kill(pid, 0) == 0);  // a zombie
  Process second = staying(Method::kForkserver);
  CHECK(::kill(pid, 0) != 0);
  second.kill();
}

TEST_CASE("Children: a handle does what the Process does and beside it") {
  Process process = staying(Method::kForkserver, "one");
  const Child child = active_children().at(0);
  CHECK(child.name() == "one");
  CHECK(child.pid() == process.pid());
  CHECK(child.daemon());
  CHECK(child.is_alive());
  CHECK_FALSE(child.join(Millis{0}));
  CHECK_FALSE(child.exitcode().has_value());
  bool ended = false;
  std::thread joiner([&] { ended = process.join(kSoon); });
  child.terminate();
  CHECK(child.join(kSoon));
  joiner.join();
  CHECK(ended);
  CHECK(child.exitcode() == -SIGTERM);
  CHECK(process.exitcode() == -SIGTERM);
  process.close();
  CHECK(child.exitcode() == -SIGTERM);  // the handle is a name of its own
  CHECK_FALSE(child.is_alive());
  child.kill();  // has ended: nothing happens
}

TEST_CASE("Children: a hundred that sleep are all terminated") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    std::vector<Process> processes;
    PipeEnds ready;
    for (int i = 0; i < 100; ++i) {
      processes.emplace_back(Options{.daemon = true, .method = method}, &run_for_ever);
      processes.back().start();
    }
    CHECK(active_children().size() == 100);
    for (const Child& child : active_children()) child.terminate();
    for (Process& process : processes) {
      REQUIRE(process.join(kSoon));
      REQUIRE(process.exitcode() == -SIGTERM);
    }
    CHECK(active_children().empty());
  }
}

TEST_CASE("Children: those of a parent are not a forked child's") {
  if (methods().size() < 3) return;
  Process sibling = staying(Method::kForkserver);
  const Child handle = active_children().at(0);
  static const Child* inherited;
  inherited = &handle;
  Process process(Options{.method = Method::kFork}, [] {
    require(active_children().empty(), "the parent's children");
    try {
      inherited->kill();
    } catch (const Invalid&) {
      return;
    }
    throw std::runtime_error("killed a sibling");
  });
  process.start();
  REQUIRE(process.join(kSoon));
  CHECK(process.error().value_or("none") == "none");
  CHECK(sibling.is_alive());
  sibling.kill();
}
