#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "start_methods.h"
#include "towpath/base/error.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/wait.h"
#include "towpath/process/process.h"

// What several tests of this folder need.

inline constexpr towpath::Millis kSoon{10'000};  // for what must happen, and happens at once

struct PipeEnds {
  towpath::UniqueFd read, write;
  PipeEnds() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) towpath::throw_errno("pipe2");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  // All that was written, once every writer has closed its end; "(late)" if one does not in time.
  std::string drain() {
    write.reset();
    std::string all;
    char buffer[4096];
    for (;;) {
      if (!towpath::wait_readable(read.get(), kSoon)) return "(late)";
      const ssize_t got = ::read(read.get(), buffer, sizeof buffer);
      if (got <= 0) return all;
      all.append(buffer, static_cast<size_t>(got));
    }
  }
};

inline void write_text(int fd, std::string_view text) {
  if (::write(fd, text.data(), text.size()) < 0) towpath::throw_errno("write");
}

// A child that stays tells by one byte that it has begun. (Not by closing its end: a child by fork
// has the parent's copy as well.)
inline void say_ready(towpath::Descriptor ready) {
  write_text(ready.fd, ".");
  ::close(ready.fd);
}
inline bool await_ready(const PipeEnds& ready) {
  return towpath::wait_readable(ready.read.get(), kSoon);
}

[[noreturn]] inline void run_for_ever() {
  for (;;) ::pause();
}

inline void wait_for_ever(towpath::Descriptor ready) {
  say_ready(ready);
  run_for_ever();
}

// A process that has begun to run its target, and stays.
inline towpath::Process running(towpath::Method method, towpath::Options options = {}) {
  PipeEnds ready;
  options.method = method;
  options.daemon = true;
  towpath::Process process(std::move(options), &wait_for_ever,
                           towpath::Descriptor{ready.write.get()});
  process.start();
  await_ready(ready);
  return process;
}

inline std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();  // of a process that ends meanwhile: what there was
  return text.str();
}

// What a program that was built beside this one says, and its exit code.
struct Outcome {
  std::string text;
  int code = 0;
};
inline Outcome run_program(const std::string& name, const std::string& arguments) {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  FILE* const out =
      ::popen((folder / name).string().append(" " + arguments + " 2>&1").c_str(), "r");
  if (out == nullptr) towpath::throw_errno("popen");
  Outcome outcome;
  for (int c = std::fgetc(out); c != EOF; c = std::fgetc(out)) {
    outcome.text += static_cast<char>(c);
  }
  outcome.code = WEXITSTATUS(::pclose(out));
  return outcome;
}

// A folder of its own for one test, removed behind it.
class TestFolder {
 public:
  TestFolder() {
    char name[] = "/tmp/towpath-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) towpath::throw_errno("mkdtemp");
    path_ = name;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};
