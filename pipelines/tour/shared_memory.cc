// Memory by name: what a frame takes to travel is its name. The list of fixed slots stands in such
// memory, too.
#include <algorithm>
#include <numeric>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void fill(const std::string& name, ShareableList list) {
  const SharedMemory memory = SharedMemory::open(name);
  std::ranges::fill(memory.buf(), std::byte{7});
  list.set(1, "filled");
}

}  // namespace

void shared_memory() {
  const SharedMemory memory = SharedMemory::create(1'000'000);
  ShareableList list({1, "empty  ", 2.5, nullptr});
  Process child(&fill, memory.name(), list);
  child.start();
  child.join();
  const auto bytes = memory.buf();
  const bool all = std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{7}; });
  say(format("{} bytes, all filled: {}", bytes.size(), yes_or_no(all)));
  say("the list says " + show(list.get(1).as_string()));
}

}  // namespace tour
