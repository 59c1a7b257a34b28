// Queues of processes that may not open, map or write what they take: nothing is lost then.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "no_more_descriptors.h"
#include "sync/helpers.h"
#include "towpath/channel/queue.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};
using Tasks = JoinableQueue<int>;

// Sets a limit of this process while it lives.
class Limit {
 public:
  Limit(__rlimit_resource which, rlim_t value) : which_(which) {
    ::getrlimit(which, &before_);
    const rlimit now{value, before_.rlim_max};
    if (::setrlimit(which, &now) != 0) throw_errno("setrlimit");
  }
  ~Limit() { ::setrlimit(which_, &before_); }

 private:
  const __rlimit_resource which_;
  rlimit before_{};
};

template <class E, class Act>
bool throws(Act act) {
  try {
    act();
  } catch (const E&) {
    return true;
  }
  return false;
}

// Somebody watches the queue, and there is 1 in it.
void use_without_descriptors(Tasks queue, Numbers right) {
  const std::string large(size_t{520} << 20, 'x');
  queue.qsize();  // what is asked of the system once only is asked
  {
    const NoMoreDescriptors limit;
    right[0] = throws<SystemError>([&] { queue.get(kNow); });
    // Each takes memory, and gives it back.
    for (size_t i = 1; i < 3; ++i)
      right[i] = throws<SystemError>([&] { queue.put_bytes(large, kNow); });
    right[3] = throws<SystemError>([&] { queue.shutdown(); });
  }
  right[4] = queue.qsize() == 1 && queue.get(kNow) == 1;
  right[5] = throws<Empty>([&] { queue.get(kNow); });
}

// There is a small item in the queue and a large one.
[[maybe_unused]] void get_without_addresses(Queue<std::string> queue, Numbers right) {
  right[0] = queue.get(kNow) == "small";
  {
    const auto pages = std::stoull(file_text("/proc/self/statm"));
    const Limit limit(RLIMIT_AS, pages * 4096 + (rlim_t{700} << 20));
    right[1] = throws<SystemError>([&] { queue.get(kNow); });
  }
  right[2] = queue.get(kNow).size() == 100'000;
}

void make_with_small_files(Numbers right) {
  std::signal(SIGXFSZ, SIG_IGN);
  const Limit limit(RLIMIT_FSIZE, 1 << 20);
  try {
    const Queue<int> queue;
  } catch (const Invalid& error) {
    right[0] = std::string(error.what()).find("ulimit -f") != std::string::npos;
  }
}

}  // namespace

TEST_CASE("Queue: what can't be done for want of descriptors moves nothing") {
#if defined(__SANITIZE_ADDRESS__)
  return;  // UBSan, beside it, takes a lack of descriptors for a lost object
#endif
  Tasks queue;
  queue.fileno();
  queue.put(1);
  const Numbers right;
  Children children;
  children.start(Method::kForkserver, &use_without_descriptors, queue, right);
  CHECK(children.joined());
  for (size_t i = 0; i < 6; ++i) {
    CAPTURE(i);
    CHECK(right[i] == 1);
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("Queue: what can't be mapped is not taken") {
  Queue<std::string> queue;
  queue.put("small");
  queue.put(std::string(100'000, 'x'));
  const Numbers right;
  Children children;
  children.start(Method::kForkserver, &get_without_addresses, queue, right);
  CHECK(children.joined());
  for (size_t i = 0; i < 3; ++i) CHECK(right[i] == 1);
}
#endif

TEST_CASE("Queue: one that passes the limit of files says which") {
  const Numbers right;
  Children children;
  children.start(Method::kForkserver, &make_with_small_files, right);
  CHECK(children.joined());
  CHECK(right[0] == 1);
}
