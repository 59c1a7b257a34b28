#include "towpath/pool/slate.h"

#include <cstring>
#include <new>

#include "towpath/base/error.h"

namespace towpath::pools {
namespace {

constexpr uint32_t kRoom = uint32_t{28}
                           << 10;  // with its head below what a ring takes in one piece
constexpr unsigned kCountBits = 16;
constexpr unsigned kByteBits = 16;

constexpr uint64_t claim_word(uint32_t limit, uint32_t next) {
  return uint64_t{limit} << 32 | next;
}
constexpr uint64_t written_word(uint32_t generation, uint32_t count, uint32_t bytes) {
  return uint64_t{generation} << (kCountBits + kByteBits) | uint64_t{count} << kByteBits | bytes;
}

// The limit is written by the pool alone.
void require_claims(uint64_t word, uint32_t count) {
  if (word >> 32 != count || static_cast<uint32_t>(word) > count)
    throw Invalid("a worker wrote over the claims in its slate");
}

}  // namespace

struct SlateMemory {
  // Of each slot: tasks that may be begun, tasks begun.
  std::atomic<uint64_t> claims[kSlots];
  alignas(64) std::atomic<int64_t> started;
  std::atomic<uint64_t> started_task;  // slot and task
  // generation, count, bytes: of the results below. A generation is one message.
  alignas(64) std::atomic<uint64_t> written;
  alignas(64) ResultsHead head;
  char bytes[kRoom];
};

static_assert(kRoom < 1u << kByteBits);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

Slate::Slate()
    : memory_(SealedMemory::create("towpath-pool-slate", sizeof(SlateMemory))),
      mapping_(memory_.fd(), 0, sizeof(SlateMemory), Mapping::Access::kWrite),
      it_(reinterpret_cast<SlateMemory*>(mapping_.writable().data())) {}

void Slate::open(uint32_t slot, uint32_t count) {
  it_->claims[slot].store(claim_word(count, 0), std::memory_order_release);
}

uint32_t Slate::claimed(uint32_t slot) const {
  return static_cast<uint32_t>(it_->claims[slot].load(std::memory_order_acquire));
}

uint32_t Slate::revoke(uint32_t slot, uint32_t count) {
  std::atomic<uint64_t>& word = it_->claims[slot];
  uint64_t seen = word.load(std::memory_order_acquire);
  for (;;) {
    require_claims(seen, count);
    const auto next = static_cast<uint32_t>(seen);
    if (word.compare_exchange_weak(seen, claim_word(next, next), std::memory_order_acq_rel)) {
      return next;
    }
  }
}

void Slate::check(uint32_t slot, uint32_t count) const {
  require_claims(it_->claims[slot].load(std::memory_order_acquire), count);
}

std::optional<int64_t> Slate::started(uint32_t slot, uint32_t task) const {
  if (it_->started_task.load(std::memory_order_acquire) != (uint64_t{slot} << 32 | task)) {
    return std::nullopt;
  }
  return it_->started.load(std::memory_order_acquire);
}

std::optional<Slate::Results> Slate::look() const {
  const uint64_t seen = it_->written.load(std::memory_order_acquire);
  const uint64_t count = seen >> kByteBits & ((1u << kCountBits) - 1);
  const uint64_t bytes = seen & ((1u << kByteBits) - 1);
  if (count == 0 || bytes > kRoom) return std::nullopt;
  Results results{it_->head, std::string(it_->bytes, bytes)};
  results.head.count = static_cast<uint32_t>(count);
  // Not a load: what was read above must not be read after this. (Nor a fence: ThreadSanitizer
  // knows none.)
  const uint64_t now = it_->written.fetch_add(0, std::memory_order_acq_rel);
  constexpr unsigned kGeneration = kCountBits + kByteBits;
  if (now >> kGeneration != seen >> kGeneration) return std::nullopt;  // it was sent meanwhile
  return results;
}

SlateWriter::SlateWriter(Descriptor descriptor)
    : memory_(SealedMemory::adopt(UniqueFd(descriptor.fd))) {
  if (memory_.size() < sizeof(SlateMemory)) throw Invalid("a pool's slate is too small");
  mapping_ = Mapping(memory_.fd(), 0, sizeof(SlateMemory), Mapping::Access::kWrite);
  it_ = reinterpret_cast<SlateMemory*>(mapping_.writable().data());
}

std::optional<uint32_t> SlateWriter::claim(uint32_t slot) {
  std::atomic<uint64_t>& word = it_->claims[slot];
  uint64_t seen = word.load(std::memory_order_relaxed);
  for (;;) {
    const auto next = static_cast<uint32_t>(seen);
    if (next >= static_cast<uint32_t>(seen >> 32)) return std::nullopt;
    if (word.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return next;
  }
}

void SlateWriter::stamp(uint32_t slot, uint32_t task, int64_t nanoseconds) {
  it_->started.store(nanoseconds, std::memory_order_release);
  it_->started_task.store(uint64_t{slot} << 32 | task, std::memory_order_release);
}

void SlateWriter::begin(uint32_t shipment, uint32_t first, bool thrown) {
  thrown_ = thrown;
  ++generation_;
  count_ = 0;
  bytes_ = 0;
  // Whoever looks at the old results sees by the generation that they are no longer whole. Not a
  // store: the new head must not be seen before.
  it_->written.exchange(written_word(generation_, 0, 0), std::memory_order_acq_rel);
  it_->head = {};
  it_->head.shipment = shipment;
  it_->head.first = first;
  it_->head.flags = thrown ? uint32_t{ResultsHead::kThrown} : 0;
}

bool SlateWriter::append(std::string_view result) {
  if (result.size() > kRoom - bytes_ || count_ + 1 >= 1u << kCountBits) return false;
  std::memcpy(it_->bytes + bytes_, result.data(), result.size());
  bytes_ += static_cast<uint32_t>(result.size());
  ++count_;
  publish();
  return true;
}

void SlateWriter::publish() {
  it_->written.store(written_word(generation_, count_, bytes_), std::memory_order_release);
}

std::string_view SlateWriter::message(uint32_t flags, int64_t nanoseconds, uint64_t memory) {
  it_->head.count = count_;
  it_->head.flags |= flags;
  it_->head.nanoseconds = nanoseconds;
  it_->head.memory = memory;
  static_assert(offsetof(SlateMemory, bytes) == offsetof(SlateMemory, head) + sizeof(ResultsHead));
  return {reinterpret_cast<const char*>(&it_->head), sizeof(ResultsHead) + bytes_};
}

}  // namespace towpath::pools
