// A Pool (of two workers unless said) and trivial tasks (x * x), measured as the peers' pypool.py
// measures Python's; prints tasks/s (of start: ms). usage: pool MODE [COUNT [CHUNK [WORKERS]]]
//   map           Pool.map over COUNT integers, in chunks of CHUNK (0: measured)
//   imap          walked to the end; also prints by how many MiB this process and the workers
//                 grew together, from the tenth of the results on
//   unordered     imap_unordered
//   apply_async   one future a task
//   submit        the same through an Executor
//   start         a Pool(2) until its first results
#include "towpath/pool/pool.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <ranges>
#include <string>
#include <vector>

#include "towpath/pool/executor.h"
#include "towpath/process/init.h"

namespace {

using towpath::Pool;

int64_t square(int64_t x) { return x * x; }

double resident_mib(const std::string& process) {
  std::ifstream file("/proc/" + process + "/statm");
  double size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

// Of this process and the workers.
double resident_mib(const Pool& pool) {
  double all = resident_mib("self");
  for (const auto& worker : pool.processes()) all += resident_mib(std::to_string(worker.pid));
  return all;
}

uint64_t sum_of_squares(int64_t count) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<uint64_t>(i * i);
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  towpath::init(argc, argv);
  const std::string mode = argc > 1 ? argv[1] : "map";
  const int64_t count = argc > 2 ? std::atoll(argv[2]) : 1'000'000;
  const size_t chunk = argc > 3 ? static_cast<size_t>(std::atoll(argv[3])) : 0;
  const auto input = std::views::iota(int64_t{0}, count);
  const auto now = std::chrono::steady_clock::now;
  if (mode == "start") {
    Pool(2).map(square, std::views::iota(0, 2));  // the forkserver is up after this
    const auto begin = now();
    Pool pool(2);
    pool.map(square, std::views::iota(0, 2));
    std::printf("%.3f\n", std::chrono::duration<double, std::milli>(now() - begin).count());
    return 0;
  }
  const int workers = argc > 4 ? std::atoi(argv[4]) : 2;
  Pool pool(workers);
  towpath::Executor executor(2);
  pool.map(square, std::views::iota(0, 100));
  executor.submit(square, 1).get();
  executor.submit(square, 2).get();
  uint64_t sum = 0;
  double before = 0;
  const auto walk = [&](auto results) {
    int64_t walked = 0;
    for (const int64_t each : results) {
      sum += static_cast<uint64_t>(each);
      if (++walked == count / 10) before = resident_mib(pool);
    }
  };
  const auto begin = now();
  if (mode == "map") {
    for (const int64_t each : pool.map(square, input, chunk)) sum += static_cast<uint64_t>(each);
  } else if (mode == "imap") {
    walk(pool.imap(square, input));
  } else if (mode == "unordered") {
    walk(pool.imap_unordered(square, input));
  } else {
    std::vector<towpath::Future<int64_t>> futures;
    for (const int64_t i : input) {
      futures.push_back(mode == "submit" ? executor.submit(square, i)
                                         : pool.apply_async(square, i));
    }
    for (const auto& future : futures) sum += static_cast<uint64_t>(future.get());
  }
  const double seconds = std::chrono::duration<double>(now() - begin).count();
  if (sum != sum_of_squares(count)) {
    std::fprintf(stderr, "pool: the results are wrong\n");
    return 1;
  }
  if (mode == "imap" || mode == "unordered") {
    std::printf("%.0f %.1f\n", static_cast<double>(count) / seconds, resident_mib(pool) - before);
  } else {
    std::printf("%.0f\n", static_cast<double>(count) / seconds);
  }
}
