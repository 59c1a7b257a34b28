// A semaphore has so many permits; at a condition one waits until something is so.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void count_to(int n, Condition changed, Value<int> value) {
  for (int i = 0; i < n; ++i) {
    const Condition::Guard guard = changed.guard();
    *value.lock() += 1;
    changed.notify_all();
  }
}

}  // namespace

void condition_semaphore() {
  Semaphore two(2);
  const bool first = bool(two.acquire()), second = bool(two.acquire());
  const bool third = bool(two.acquire(Millis{0}));
  say(format("permits: {}, {}, {}", yes_or_no(first), yes_or_no(second), yes_or_no(third)));

  Condition changed;
  const Value<int> value(0);
  Process counts(&count_to, 4, changed, value);
  const Condition::Guard guard = changed.guard();
  counts.start();
  changed.wait_for([&value] { return value.get() == 4; });
  say(format("the other has counted to {}", value.get()));
}

}  // namespace tour
