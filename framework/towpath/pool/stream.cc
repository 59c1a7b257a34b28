#include "towpath/pool/stream.h"

#include <algorithm>

#include "towpath/base/error.h"

namespace towpath::pools {
namespace {

constexpr size_t kMaxWindow = 65'536;
constexpr size_t kMaxParcelBytes = size_t{16} << 10;
constexpr size_t kParcelsAhead = 4;  // of each worker

}  // namespace

uint32_t tasks_of_chunk(size_t chunk) {
  return static_cast<uint32_t>(std::clamp<size_t>(chunk, 1, kMaxWindow));
}

// Where outcomes wait until they are taken.
class Stream::Inbox : public Receiver {
 public:
  explicit Inbox(Order order) : order_(order) {}

  void take(uint64_t first, uint32_t count, std::string outcomes, bool thrown) override {
    put({first, count, std::move(outcomes), thrown, {}});
  }
  void fail(uint64_t first, uint32_t count, std::exception_ptr error) override {
    put({first, count, {}, false, std::move(error)});
  }

  std::optional<Outcomes> pop(uint64_t wanted, const Deadline& deadline) {
    std::unique_lock lock(mutex_);
    const auto there = [&] { return is_next(wanted); };
    wanted_ = wanted;
    waits_ = true;
    const bool found = deadline.wait(arrived_, lock, there);
    waits_ = false;
    if (!found) return std::nullopt;
    auto first = arrived_outcomes_.extract(arrived_outcomes_.begin());
    return std::move(first.mapped());
  }
  bool has(uint64_t wanted) {
    const std::lock_guard lock(mutex_);
    return is_next(wanted);
  }

 private:
  bool is_next(uint64_t wanted) const {
    if (arrived_outcomes_.empty()) return false;
    return order_ == Order::kCompletion || arrived_outcomes_.begin()->first == wanted;
  }
  void put(Outcomes outcomes) {
    const std::lock_guard lock(mutex_);
    const uint64_t first = outcomes.first;
    arrived_outcomes_.emplace(first, std::move(outcomes));
    if (waits_ && is_next(wanted_)) arrived_.notify_one();
  }

  const Order order_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<uint64_t, Outcomes> arrived_outcomes_;
  uint64_t wanted_ = 0;
  bool waits_ = false;
};

Stream::Stream(std::shared_ptr<Engine> engine, Code code, Pull pull, const Limits& limits)
    : engine_(std::move(engine)),
      pull_(std::move(pull)),
      limits_(limits),
      deadline_(limits.timeout),
      code_(engine_->number_of(code)),
      inbox_(std::make_shared<Inbox>(limits.order)),
      chunk_(tasks_of_chunk(limits.chunk)),
      parcel_(chunk_) {}

Stream::~Stream() { inbox_->cancelled = true; }

size_t Stream::window() const {
  if (limits_.ahead != 0) return limits_.ahead;
  const auto workers = static_cast<size_t>(engine_->workers());
  return std::max(std::min(workers * kParcelsAhead * parcel_, kMaxWindow), workers * 2 * parcel_);
}

void Stream::send() {
  if (pending_ == 0) return;
  Parcel parcel;
  parcel.receiver = inbox_;
  parcel.code = code_;
  parcel.count = pending_;
  parcel.first = pulled_ - pending_;
  parcel.arguments = arguments_.take();
  parcel.deadline = limits_.task.deadline.value_or(engine_->options().deadline);
  parcel.retries = limits_.task.retries.value_or(engine_->options().retries);
  parcel.together = chunk_ > 1;
  try {
    engine_->submit(std::move(parcel));
  } catch (...) {
    // It comes out behind the results of what was submitted, as if the input had thrown it.
    input_error_ = std::current_exception();
    input_ended_ = true;
    pulled_ -= pending_;
  }
  pending_ = 0;
  parcel_ = std::max<uint32_t>(1, engine_->parcel_size(code_) / chunk_) * chunk_;
}

// Inputs that may be pulled.
uint64_t Stream::room() const {
  const size_t most = window();
  return most - std::min<uint64_t>(most, pulled_ - used_);
}

// Pulls as much input as the window allows.
void Stream::fill() {
  if (input_ended_) return;
  // Small refills cost more than they are worth, while there is something to go on with.
  if (room() < std::min<uint64_t>(parcel_, window()) && inbox_->has(given_)) return;
  pull(room());
  // A chunk that is not whole waits for the rest, while results are to come that make room for it.
  const bool whole = pending_ % chunk_ == 0 || input_ended_;
  if (whole || pulled_ - pending_ == given_) send();
}

void Stream::pull(uint64_t room) {
  size_t bytes = arguments_.bytes().size();
  for (uint64_t i = 0; i < room && !input_ended_; ++i) {
    try {
      if (!pull_(arguments_)) {
        input_ended_ = true;
        return;
      }
    } catch (...) {
      input_error_ = std::current_exception();
      input_ended_ = true;
      // An argument that can't be encoded may have left its first half.
      std::string whole = arguments_.take();
      whole.resize(bytes);
      arguments_.raw(whole);
      return;
    }
    ++pulled_;
    ++pending_;
    bytes = arguments_.bytes().size();
    if (pending_ % chunk_ == 0 && (pending_ >= parcel_ || bytes >= kMaxParcelBytes)) {
      send();
      bytes = 0;
    }
  }
}

std::optional<Stream::Outcomes> Stream::next(Millis timeout) {
  fill();
  if (given_ == pulled_) {
    if (input_error_) std::rethrow_exception(std::exchange(input_error_, nullptr));
    return std::nullopt;
  }
  if (!inbox_->has(given_)) engine_->refuse_vain_wait();
  auto outcomes = inbox_->pop(given_, Deadline(std::min(timeout, deadline_.left())));
  if (!outcomes) throw Timeout("the next result is not there yet");
  given_ += outcomes->count;
  return outcomes;
}

void Stream::used(uint64_t count) { used_ += count; }

}  // namespace towpath::pools
