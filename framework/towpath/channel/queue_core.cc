#include "towpath/channel/queue_core.h"

#include <map>
#include <mutex>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/channel/hub_queue.h"
#include "towpath/channel/shared_queue.h"

namespace towpath {
namespace {

constexpr size_t kKeptBytes = size_t{1} << 20;  // of a thread's buffers, between items

std::string& spare_buffer() {
  static thread_local std::string it;
  return it;
}

std::unique_ptr<Encoder>& spare_encoder() {
  static thread_local std::unique_ptr<Encoder> it;
  return it;
}

// The queues that this process has open.
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<QueueCore>> cores;

  // Never destroyed: statics of other files may hold a queue.
  static Registry& get() {
    static auto* const it = new Registry;
    return *it;
  }
  // With the mutex held.
  std::shared_ptr<QueueCore> add(std::unique_ptr<QueueCore> made) {
    std::string name = made->handle().text();
    std::weak_ptr<QueueCore>& known = cores[name];
    std::shared_ptr<QueueCore> core(made.release(), [name = std::move(name)](QueueCore* it) {
      delete it;
      get().forget(name);
    });
    known = core;
    return core;
  }
  void forget(const std::string& name) {
    const std::lock_guard lock(mutex);
    const auto it = cores.find(name);
    // A new object of the same name may have come meanwhile.
    if (it != cores.end() && it->second.expired()) cores.erase(it);
  }
};

}  // namespace

std::shared_ptr<QueueCore> QueueCore::create(const Options& options) {
  const bool zero_mq = options.transport == Transport::kZeroMq;
  auto made = zero_mq ? HubQueue::create(options) : SharedQueue::create(options);
  Registry& registry = Registry::get();
  const std::lock_guard lock(registry.mutex);
  return registry.add(std::move(made));
}

std::shared_ptr<QueueCore> QueueCore::open(const Handle& handle) {
  Registry& registry = Registry::get();
  const std::lock_guard lock(registry.mutex);
  const auto it = registry.cores.find(handle.text());
  if (it != registry.cores.end()) {
    if (std::shared_ptr<QueueCore> known = it->second.lock()) return known;
  }
  return registry.add(HubQueue::is_one(handle) ? HubQueue::open(handle)
                                               : SharedQueue::open(handle));
}

// ── An item ──

QueueCore::Item::Item() : small_(std::move(spare_buffer())) {}

QueueCore::Item::~Item() {
  if (core_ != nullptr) core_->release(place_);
  if (small_.capacity() > spare_buffer().capacity() && small_.capacity() <= kKeptBytes)
    spare_buffer() = std::move(small_);
}

void QueueCore::Item::lie_in(std::shared_ptr<QueueCore> core, uint32_t place,
                             std::string_view bytes) {
  core_ = std::move(core);
  place_ = place;
  lies_ = bytes;
}

void QueueCore::Item::lie_in(std::shared_ptr<const std::string> memory, std::string_view bytes) {
  memory_ = std::move(memory);
  lies_ = bytes;
}

void QueueCore::Item::throw_trailing(size_t bytes) {
  throw Invalid(format("get: {} bytes follow the value: the item is of another type", bytes));
}

// ── Room for one ──

QueueCore::Loan::Loan(std::shared_ptr<QueueCore> core, size_t size, Millis timeout)
    : core_(std::move(core)) {
  if (const std::optional<Lent> lent = core_->lend(size, timeout)) {
    place_ = lent->place;
    bytes_ = {lent->memory, size};
  } else {
    own_ = std::make_unique_for_overwrite<std::byte[]>(size);
    bytes_ = {own_.get(), size};
  }
}

QueueCore::Loan::~Loan() {
  if (core_ != nullptr && own_ == nullptr) core_->take_back(place_);
}

void QueueCore::put_lent(uint32_t, Millis) { expect(false, "a place that was never lent is put"); }

void QueueCore::Loan::put(Millis timeout) {
  if (core_ == nullptr) throw Invalid("put: this loan was put already, or moved from");
  if (own_ != nullptr) {
    core_->put({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}, timeout);
  } else {
    core_->put_lent(place_, timeout);
  }
  core_.reset();
  bytes_ = {};
}

ItemEncoder::ItemEncoder() : encoder_(std::move(spare_encoder())) {
  if (!encoder_) encoder_ = std::make_unique<Encoder>();
}

ItemEncoder::~ItemEncoder() {
  if (encoder_->bytes().size() > kKeptBytes) return;
  encoder_->clear();
  spare_encoder() = std::move(encoder_);
}

}  // namespace towpath
