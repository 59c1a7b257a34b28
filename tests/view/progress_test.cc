#include "towpath/view/progress.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "towpath/base/unique_fd.h"

using namespace towpath;

TEST_CASE("Progress: a line shows what is done and how fast and how long it takes") {
  Snapshot now;
  now.pipeline = "sales";
  now.in_bytes = true;
  now.done = 50 << 20;
  now.total = 200 << 20;
  now.rejected = 3;
  CHECK(Progress::line(now, 10 << 20) ==
        "sales  50.0 MiB of 200.0 MiB (25%)  10.0 MiB/s  15.0s left  3 rejected");
}

TEST_CASE("Progress: rows are counted where bytes are not known") {
  Snapshot now;
  now.pipeline = "sales";
  now.done = 1234567;
  CHECK(Progress::line(now, 1000) == "sales  1,234,567 rows  1,000 rows/s");
}

TEST_CASE("Progress: the line names the stage that work piles up before") {
  Snapshot now;
  now.pipeline = "p";
  now.stages.resize(2);
  now.stages[1].name = "slow";
  now.stages[1].queued = 7;
  CHECK_THAT(Progress::line(now, 0), Catch::EndsWith("slow waits with 7 batches"));
}

TEST_CASE("Progress: without a terminal a short run prints no line at all") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  const UniqueFd read_end(ends[0]), write_end(ends[1]);
  Progress progress(write_end.get());
  progress.show(Snapshot{});
  progress.finish();
  char byte = 0;
  CHECK(::read(read_end.get(), &byte, 1) == -1);
}
