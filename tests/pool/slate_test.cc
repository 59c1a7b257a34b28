#include "towpath/pool/slate.h"

#include <fcntl.h>

#include "helpers.h"

using namespace towpath;
using namespace towpath::pools;

namespace {

// Both sides of one, and the bytes beneath.
struct Both {
  Slate pool;
  SlateWriter worker{Descriptor{copy()}};
  Mapping raw{pool.descriptor().fd, 0, 4096, Mapping::Access::kWrite};

 private:
  int copy() const { return ::fcntl(pool.descriptor().fd, F_DUPFD_CLOEXEC, 3); }
};

}  // namespace

TEST_CASE("Slate: a task is claimed once or taken back once") {
  Both slate;
  slate.pool.open(2, 5);
  for (uint32_t task = 0; task < 3; ++task) CHECK(slate.worker.claim(2) == task);
  CHECK(slate.pool.claimed(2) == 3);
  CHECK(slate.pool.revoke(2, 5) == 3);
  CHECK_FALSE(slate.worker.claim(2));
  CHECK(slate.pool.revoke(2, 3) == 3);
  slate.pool.open(2, 1);  // the slot's next shipment
  CHECK(slate.worker.claim(2) == 0u);
  CHECK_FALSE(slate.worker.claim(2));
}

TEST_CASE("Slate: of two who reach for a task at once one gets it") {
  Both slate;
  constexpr uint32_t kTasks = 2'000;
  for (int round = 0; round < 50; ++round) {
    slate.pool.open(0, kTasks);
    uint32_t claimed = 0;
    std::thread worker([&] {
      while (slate.worker.claim(0)) ++claimed;
    });
    while (slate.pool.claimed(0) < static_cast<uint32_t>(round) * 30) {
      std::this_thread::yield();
    }
    const uint32_t begun = slate.pool.revoke(0, kTasks);
    worker.join();
    REQUIRE(begun == claimed);
  }
}

TEST_CASE("Slate: results that were not sent are seen and those that were are not") {
  Both slate;
  CHECK_FALSE(slate.pool.look());
  slate.worker.begin(7, 3);
  CHECK_FALSE(slate.pool.look());
  CHECK(slate.worker.append("one"));
  CHECK(slate.worker.append("two"));
  const auto results = slate.pool.look();
  REQUIRE(results);
  CHECK(results->head.shipment == 7);
  CHECK(results->head.first == 3);
  CHECK(results->head.count == 2);
  CHECK(results->bytes == "onetwo");
  const std::string message(slate.worker.message(ResultsHead::kEnd, 5, 6));
  CHECK(message.size() == sizeof(ResultsHead) + 6);
  CHECK(message.ends_with("onetwo"));
  slate.worker.begin(7, 5);
  CHECK_FALSE(slate.pool.look());
  CHECK_FALSE(slate.worker.append(std::string(100'000, 'x')));  // no room
  CHECK_FALSE(slate.pool.look());
}

TEST_CASE("Slate: claims that no worker writes are Invalid") {
  Both slate;
  slate.pool.open(0, 5);
  slate.worker.claim(0);
  CHECK_NOTHROW(slate.pool.check(0, 5));
  auto& word = *reinterpret_cast<uint64_t*>(slate.raw.writable().data());
  const uint64_t right = word;
  for (const uint64_t wrong : {uint64_t{0}, ~uint64_t{0}, right + 5, right + (uint64_t{1} << 32),
                               right - (uint64_t{1} << 32)}) {
    CAPTURE(wrong);
    word = wrong;
    CHECK_THROWS_AS(slate.pool.check(0, 5), Invalid);
    CHECK_THROWS_AS(slate.pool.revoke(0, 5), Invalid);
    CHECK(word == wrong);
  }
  word = right;
  CHECK(slate.pool.revoke(0, 5) == 1);
}
