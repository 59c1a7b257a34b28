// Starts and joins processes one after another, while this one holds 200 MB. Prints the median of
// milliseconds from start() to the first line of the target, and of all until join() returned.
// usage: process_start forkserver|spawn|fork [COUNT]
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "towpath/process/init.h"
#include "towpath/process/method.h"
#include "towpath/process/process.h"
#include "towpath/shared/value.h"

namespace {

using towpath::RawValue;

constexpr size_t kHeld = 200'000'000;

// All processes of a machine have the same steady clock.
int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

void tell(RawValue<int64_t> first_line) { *first_line = now(); }

double milliseconds(int64_t ticks) {
  using Ticks = std::chrono::steady_clock::duration;
  return std::chrono::duration<double, std::milli>(Ticks(ticks)).count();
}

double median(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  towpath::init(argc, argv);
  const std::string name = argc > 1 ? argv[1] : "forkserver";
  const int count = std::max(1, argc > 2 ? std::atoi(argv[2]) : 200);
  const towpath::Method method = towpath::parse_method(name);
  const std::vector<char> held(kHeld, 1);
  RawValue<int64_t> first_line;
  std::vector<double> started, joined;
  for (int i = -1; i < count; ++i) {
    towpath::Process child(towpath::Options{.method = method}, &tell, first_line);
    const int64_t begin = now();
    child.start();
    child.join();
    const int64_t end = now();
    if (i < 0) continue;  // the helper processes start with the first one
    started.push_back(milliseconds(*first_line - begin));
    joined.push_back(milliseconds(end - begin));
  }
  std::printf("%.4f %.4f\n", median(started), median(joined));
  return held[kHeld / 2] == 1 ? 0 : 1;
}
