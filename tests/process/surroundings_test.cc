// What a child finds around itself: signals, descriptors, streams, environment, limits.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "helpers.h"
#include "towpath/memory/sealed_memory.h"
#include "towpath/memory/shared_memory.h"
#include "towpath/process/process.h"

using namespace towpath;

namespace {

void raise_signal(int signal) {
  ::raise(signal);
  run_for_ever();
}

}  // namespace

TEST_CASE("Process: signals blocked or ignored in the parent work in the child") {
  ::signal(SIGTERM, SIG_IGN);
  sigset_t some, before;
  ::sigemptyset(&some);
  ::sigaddset(&some, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &some, &before);
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process process = running(method);
    process.terminate();
    CHECK(process.join(kSoon));
    CHECK(process.exitcode() == -SIGTERM);
    Process other(Options{.method = method}, &raise_signal, SIGUSR1);
    other.start();
    CHECK(other.join(kSoon));
    CHECK(other.exitcode() == -SIGUSR1);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::signal(SIGTERM, SIG_DFL);
}

TEST_CASE("Process: a Descriptor arrives open and owned by the child") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    PipeEnds first, second;
    Process process(
        Options{.method = method},
        [](const std::vector<Descriptor>& fds, std::optional<Descriptor> none, Descriptor closed) {
          if (none || closed.fd != -1) throw Invalid("none became one");
          for (const Descriptor fd : fds) {
            if (!(::fcntl(fd.fd, F_GETFD) & FD_CLOEXEC)) throw Invalid("not close-on-exec");
          }
          write_text(fds.at(0).fd, "first");
          write_text(fds.at(1).fd, "second");
        },
        std::vector<Descriptor>{{first.write.get()}, {second.write.get()}}, std::nullopt,
        Descriptor{});
    first.write.reset();  // the Process has its own
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.error().value_or("none") == "none");
    CHECK(first.drain() == "first");
    CHECK(second.drain() == "second");
  }
}

TEST_CASE("Process: a Descriptor outside of arguments is NotSerialisable") {
  CHECK_THROWS_AS(to_bytes(Descriptor{0}), NotSerialisable);
  CHECK_THROWS_AS(Process([](Descriptor) {}, Descriptor{9999}), SystemError);
}

TEST_CASE("Process: stdin is /dev/null and the streams go where Options say") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    PipeEnds out, err;
    Process process(
        Options{.method = method, .stdout_fd = out.write.get(), .stderr_fd = err.write.get()}, [] {
          char byte;
          if (::read(STDIN_FILENO, &byte, 1) != 0) throw Invalid("stdin has something");
          std::printf("to stdout");
          write_text(STDERR_FILENO, "to stderr");
        });
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(out.drain() == "to stdout");
    CHECK(err.drain() == "to stderr");
  }
}

TEST_CASE("Process: a parent without standard streams has children all the same") {
  PipeEnds out;
  Process parent(
      [](Descriptor to) {
        for (const int fd : {0, 1, 2}) ::close(fd);
        for (const Method method : methods()) {
          Process child(
              Options{.method = method},
              [](Descriptor up) {
                std::printf("to nowhere");
                for (const int fd : {0, 1, 2}) {
                  if (::fcntl(fd, F_GETFD) < 0) throw Invalid("a standard stream is closed");
                }
                write_text(up.fd, "ran;");
              },
              to);
          child.start();
          child.join();
          if (child.exitcode() != 0) write_text(to.fd, child.error().value_or("no error"));
        }
      },
      Descriptor{out.write.get()});
  parent.start();
  REQUIRE(parent.join(kSoon));
  CHECK(parent.exitcode() == 0);
  CHECK(out.drain() == (methods().size() == 3 ? "ran;ran;ran;" : "ran;ran;"));
}

TEST_CASE("Process: environment of Options and working directory of the parent are the child's") {
  const TestFolder folder;
  const auto before = std::filesystem::current_path();
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    PipeEnds out;
    std::filesystem::current_path(folder.path());
    Process process(
        Options{.method = method, .env = {{"TOWPATH_TEST_A", "1"}, {"TOWPATH_TEST_B", ""}}},
        [](Descriptor to) {
          const char* b = std::getenv("TOWPATH_TEST_B");
          write_text(to.fd, std::string(std::getenv("TOWPATH_TEST_A")) + (b ? "b" : "-") +
                                std::filesystem::current_path().string());
        },
        Descriptor{out.write.get()});
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(out.drain() == "1b" + folder.path());
    std::filesystem::current_path(before);
  }
  CHECK(std::getenv("TOWPATH_TEST_A") == nullptr);
}

TEST_CASE("Process: an error is told also when nobody reads stderr any more") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    PipeEnds err;
    err.read.reset();
    Process process(Options{.method = method, .stderr_fd = err.write.get()},
                    [] { throw Invalid("of the target"); });
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 1);
    CHECK_THAT(process.error().value_or("none"), Catch::Contains("of the target"));
  }
}

TEST_CASE("Process: a limit on the size of files is an error and no death") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process process(Options{.method = method}, [] {
      const rlimit small{4096, 4096};
      ::setrlimit(RLIMIT_FSIZE, &small);
      for (const auto make : {+[] { (void)SharedMemory::create(1'000'000); },
                              +[] { (void)SealedMemory::create("large", 1'000'000); }}) {
        try {
          make();
        } catch (const Invalid& error) {
          if (std::string(error.what()).find("ulimit") != std::string::npos) continue;
        }
        throw Bug("the limit was not told of");
      }
    });
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.exitcode() == 0);
    CHECK(process.error().value_or("none") == "none");
  }
}
