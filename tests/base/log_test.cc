#include "towpath/base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "towpath/base/format.h"
#include "towpath/base/unique_fd.h"

using namespace towpath;

namespace {

// Sends the log into a pipe as long as it lives.
class Capture {
 public:
  Capture() {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
    set_log_fd(write_.get());
    set_log_name("");
  }
  ~Capture() { set_log_fd(STDERR_FILENO); }
  // All that was logged, and stops.
  std::string take() {
    set_log_fd(STDERR_FILENO);
    write_.reset();
    std::string text;
    char buffer[4096];
    for (ssize_t count; (count = read(read_.get(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(count));
    }
    return text;
  }

 private:
  UniqueFd read_, write_;
};

}  // namespace

TEST_CASE("Log: a line has its level and the name of its process") {
  Capture capture;
  log(Level::kInfo, "started");
  set_log_name("sales/clean#2");
  log(Level::kError, "killed by signal 9");
  set_log_name("");
  log(Level::kWarning, "again");
  CHECK(capture.take() ==
        "[INFO] started\n[ERROR/sales/clean#2] killed by signal 9\n[WARNING] again\n");
}

TEST_CASE("Log: lines below the level are dropped") {
  Capture capture;
  log(Level::kDebug, "dropped at first");
  set_log_level(Level::kDebug);
  log(Level::kDebug, "kept");
  set_log_level(Level::kError);
  log(Level::kWarning, "dropped");
  set_log_level(Level::kInfo);
  CHECK(capture.take() == "[DEBUG] kept\n");
}

TEST_CASE("Log: the logger is the log and has its level") {
  Capture capture;
  const Logger logger = get_logger();
  CHECK(logger.level() == Level::kInfo);
  logger.debug("dropped");
  logger.info("a");
  logger.set_level(Level::kWarning);
  CHECK(log_level() == Level::kWarning);
  logger.info("dropped");
  logger.warning("b");
  logger.error("c");
  logger.set_level(Level::kInfo);
  CHECK(capture.take() == "[INFO] a\n[WARNING] b\n[ERROR] c\n");
}

TEST_CASE("Log: back to standard error, with another level or with none") {
  Capture capture;
  CHECK(log_to_stderr(Level::kWarning).level() == Level::kWarning);
  CHECK(log_to_stderr().level() == Level::kWarning);
  CHECK(log_to_stderr(Level::kInfo).level() == Level::kInfo);
  CHECK(capture.take().empty());
}

TEST_CASE("Log: lines of many threads never mix") {
  Capture capture;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 100; ++i) log(Level::kInfo, format("thread {} line {}", t, i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::istringstream text(capture.take());
  std::set<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.insert(line);
  CHECK(lines.size() == 400);
  CHECK(lines.contains("[INFO] thread 3 line 99"));
}

TEST_CASE("UniqueFd: it closes what it owns once") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const auto is_open = [](int fd) { return fcntl(fd, F_GETFD) >= 0; };
  {
    UniqueFd read(ends[0]), write(ends[1]);
    CHECK(read);
    UniqueFd moved = std::move(read);
    CHECK_FALSE(read);
    CHECK(moved.get() == ends[0]);
    moved = std::move(write);
    CHECK_FALSE(is_open(ends[0]));
    CHECK(moved.get() == ends[1]);
    CHECK(moved.release() == ends[1]);
    CHECK_FALSE(moved);
  }
  CHECK(is_open(ends[1]));
  UniqueFd(ends[1]).reset();
  CHECK_FALSE(is_open(ends[1]));
}
