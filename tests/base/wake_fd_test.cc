#include "towpath/base/wake_fd.h"

#include <poll.h>

#include <catch2/catch.hpp>

using namespace towpath;

namespace {

bool readable(const WakeFd& event) {
  pollfd item{event.get(), POLLIN, 0};
  return ::poll(&item, 1, 0) == 1;
}

}  // namespace

TEST_CASE("WakeFd: readable from a signal until it is cleared") {
  CHECK_FALSE(WakeFd());
  const WakeFd event = WakeFd::create();
  CHECK_FALSE(readable(event));
  event.clear();  // does not wait
  event.signal();
  event.signal();
  CHECK(readable(event));
  event.clear();
  CHECK_FALSE(readable(event));
}
