// How a child ends, and what is done before.
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "helpers.h"
#include "towpath/base/log.h"
#include "towpath/channel/connection.h"

using namespace towpath;

namespace {

// Says what it was told to, once the child is on its way out.
struct Shouter : Runnable {
  explicit Shouter(Connection line) : line_(std::move(line)) {}
  void run() override {
    while (auto text = line_.recv<std::optional<std::string>>()) {
      for (char& c : *text) c = static_cast<char>(std::toupper(c));
      line_.send(*text);
    }
  }

 private:
  Connection line_;
};

[[gnu::noinline]] void innermost(int number) {
  throw std::out_of_range("no row " + std::to_string(number));
}
[[gnu::noinline]] void middle(int number) {
  innermost(number + 1);
  asm volatile("");  // no tail call: it shall be in the trace
}
struct Thrower : Runnable {
  void run() override { middle(41); }
};

std::string stderr_of(Process (*make)(Options), Method method) {
  PipeEnds out;
  Process process = make(Options{.method = method, .stderr_fd = out.write.get()});
  process.start();
  REQUIRE(process.join(kSoon));
  CHECK(process.exitcode() == 1);
  return out.drain();
}

std::filesystem::path program(const char* name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

}  // namespace

TEST_CASE("Exit: an object that runs serves its pipe until it is told to end") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    auto [mine, its] = Pipe();
    Process process = Process::of<Shouter>(Options{.method = method}, std::move(its));
    process.start();
    mine.send(std::optional<std::string>("hello"));
    CHECK(mine.recv<std::string>(kSoon) == "HELLO");
    mine.send(std::optional<std::string>());
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 0);
  }
}

TEST_CASE("Exit: the trace of an uncaught exception is complete") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const std::string text =
        stderr_of([](Options options) { return Process(std::move(options), &middle, 41); }, method);
    CHECK_THAT(text, Catch::Contains("std::out_of_range: no row 42\n  at "));
    const size_t inner = text.find("at innermost"), outer = text.find("at middle");
    REQUIRE(inner != text.npos);
    REQUIRE(outer != text.npos);
    CHECK(inner < outer);
    CHECK(text.find("exit_test.cc:", inner) < outer);
    CHECK(text.find("exit_test.cc:", outer) != text.npos);
    const std::string of_object =
        stderr_of([](Options options) { return Process::of<Thrower>(std::move(options)); }, method);
    CHECK_THAT(of_object, Catch::Contains("\n  at run (") || Catch::Contains("Thrower::run("));
    // Nothing of how the child came to run it.
    CHECK_THAT(of_object + text,
               !Catch::Contains("process/target.h") && !Catch::Contains("job.cc"));
  }
}

TEST_CASE("Exit: a hook of the child has written its file when join returns") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const TestFolder folder;
    PipeEnds ignored;
    Process process(
        Options{.method = method, .stderr_fd = ignored.write.get()},
        [](const std::string& path) {
          static std::string where;
          where = path;
          std::atexit([] { std::ofstream(where) << "by the hook"; });
          throw std::runtime_error("also after an exception");
        },
        folder.path() + "/file");
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 1);
    CHECK(file_text(folder.path() + "/file") == "by the hook");
  }
}

TEST_CASE("Exit: a static thread that joins finishes and a detached one does not hold the child") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    auto [mine, its] = Pipe();
    PipeEnds out;
    Process process(
        Options{.method = method},
        [](Connection go, Descriptor to) {
          static Connection line;
          line = std::move(go);
          std::thread([] { run_for_ever(); }).detach();
          static std::jthread finishes([to] {
            line.recv<bool>();
            write_text(to.fd, "finished");
          });
        },
        std::move(its), Descriptor{out.write.get()});
    process.start();
    CHECK_FALSE(process.join(Millis{20}));  // exit() waits for the thread
    mine.send(true);
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 0);
    CHECK(out.drain() == "finished");
  }
}

TEST_CASE("Exit: an exception that leaves a thread is SIGABRT") {
  PipeEnds ignored;
  Process process(Options{.stderr_fd = ignored.write.get()}, [] {
    std::thread([] { throw std::runtime_error("nobody catches it"); }).join();
  });
  process.start();
  REQUIRE(process.join(kSoon));
  CHECK(process.exitcode() == -SIGABRT);
}

TEST_CASE("Exit: a child without standard output and error ends well all the same") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process process(Options{.method = method}, [] {
      ::close(STDOUT_FILENO);
      ::close(STDERR_FILENO);
      std::puts("to nowhere");
      log(Level::kError, "to nowhere");
    });
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 0);
  }
}

TEST_CASE("Exit: a program that exits ends its daemons and waits for its other children") {
  for (const char* method : {"forkserver", "spawn", "fork"}) {
    CAPTURE(method);
    FILE* const out = ::popen((program("process_exits").string() + " " + method).c_str(), "r");
    REQUIRE(out != nullptr);
    char line[512] = "";
    REQUIRE(std::fgets(line, sizeof line, out) != nullptr);
    const int daemon = std::atoi(line);
    REQUIRE(daemon > 0);
    REQUIRE(std::fgets(line, sizeof line, out) != nullptr);
    CHECK_THAT(line, Catch::StartsWith("[INFO/MainProcess] exit waits for process finishes (pid "));
    CHECK(std::fgets(line, sizeof line, out) == nullptr);  // all have ended
    CHECK(WEXITSTATUS(::pclose(out)) == 7);
    CHECK(::kill(daemon, 0) != 0);
  }
}

TEST_CASE("Exit: starts and ends are in the log of level debug") {
  PipeEnds out;
  set_log_fd(out.write.get());
  set_log_level(Level::kDebug);
  Process process(Options{.name = "told", .stderr_fd = out.write.get()},
                  [] { log(Level::kDebug, "at work"); });
  process.start();
  REQUIRE(process.join(kSoon));
  set_log_level(Level::kInfo);
  set_log_fd(STDERR_FILENO);
  const std::string pid = std::to_string(process.pid());
  const std::string text = out.drain();
  CHECK_THAT(text, Catch::Contains("] process told (pid " + pid + ") was started by forkserver\n"));
  CHECK_THAT(text, Catch::Contains("[DEBUG/told] at work\n"));
  CHECK_THAT(text, Catch::Contains("] process told (pid " + pid + ") ended with exit code 0\n"));
}

TEST_CASE("Exit: of a child forked by hand it ends and awaits none of the parent's children") {
  Process daemon(Options{.daemon = true}, &run_for_ever);
  Process child(&run_for_ever);
  daemon.start();
  child.start();
  const pid_t forked = ::fork();
  REQUIRE(forked >= 0);
  if (forked == 0) std::exit(active_children().empty() ? 0 : 1);
  int status = 0;
  REQUIRE(::waitpid(forked, &status, 0) == forked);
  CHECK(WEXITSTATUS(status) == 0);
  for (Process* each : {&daemon, &child}) {
    CHECK(each->is_alive());
    each->kill();
    REQUIRE(each->join(kSoon));
  }
}
