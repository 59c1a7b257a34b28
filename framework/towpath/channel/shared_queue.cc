#include "towpath/channel/shared_queue.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "towpath/base/brief_look.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/per_process.h"
#include "towpath/channel/held_items.h"
#include "towpath/channel/item_slots.h"
#include "towpath/channel/queue_bell.h"
#include "towpath/channel/queue_memory.h"
#include "towpath/channel/record_stream.h"
#include "towpath/channel/wake_word.h"
#include "towpath/memory/session_file.h"

namespace towpath {
namespace {

constexpr const char* kKind = "queue";
constexpr uint64_t kMaxInline = RecordStream::kMaxRecord;
constexpr size_t kHolders = 512;

// A slot that did not get into the queue goes back, also when something throws.
struct Unused {
  ItemSlots& slots;
  std::optional<uint32_t>& slot;
  ~Unused() {
    if (slot) slots.release(*slot);
  }
};

}  // namespace

// All zero but for the first two.
struct SharedQueue::Shared {
  uint64_t maxsize;
  uint64_t joinable;
  QueueBell::State bell;
  // Putters look at `items`, getters at `room`; both are written only when somebody sleeps.
  alignas(64) WakeWord items;
  alignas(64) WakeWord room;
  alignas(64) WakeWord all_done;
  // Processes that may hold items of a joinable queue; 0: none.
  std::array<std::atomic<uint64_t>, kHolders> holders;
  alignas(64) ItemSlots::State slots;
  RecordStream::State stream;
};

struct SharedQueue::State {
  State(SessionFile it, const Options* options, bool create)
      : file(std::move(it)),
        shared(file.as<Shared>()),
        memory(create ? QueueMemory::create(file.handle()) : QueueMemory::open(file.handle())),
        slots(shared.slots, memory),
        stream(shared.stream, memory, slots),
        bell(shared.bell, file.handle().path() + ".bell"),
        maker(create ? ::getpid() : 0) {
    if (options != nullptr) {
      shared.maxsize = options->maxsize;
      shared.joinable = options->joinable ? 1 : 0;
    }
    maxsize = shared.maxsize;
    joinable = shared.joinable != 0;
  }
  ~State() {
    if (maker == ::getpid()) bell.remove();
  }

  SessionFile file;
  Shared& shared;
  QueueMemory memory;
  ItemSlots slots;
  RecordStream stream;
  QueueBell bell;
  pid_t maker;
  uint64_t maxsize = 0;
  bool joinable = false;
  std::atomic<bool> warned{false};
  BriefLook look;  // for an item

  HeldItems<ItemSlots::Taken> held;
  std::mutex mutex;
  uint32_t registered_in = 0;                // fork_generation() + 1
  std::deque<ItemSlots::Taken> held_by_any;  // when last looked, in order; some are done since

  const std::string& name() const { return file.handle().name; }
};

// ── Making ──

SharedQueue::SharedQueue(std::unique_ptr<State> state) : state_(std::move(state)) {}
SharedQueue::~SharedQueue() = default;

std::unique_ptr<QueueCore> SharedQueue::create(const Options& options) {
  return std::unique_ptr<QueueCore>(new SharedQueue(
      std::make_unique<State>(SessionFile::create(kKind, sizeof(Shared)), &options, true)));
}

std::unique_ptr<QueueCore> SharedQueue::open(const Handle& handle) {
  return std::unique_ptr<QueueCore>(
      new SharedQueue(std::make_unique<State>(SessionFile::open(kKind, handle), nullptr, false)));
}

const Handle& SharedQueue::handle() const { return state_->file.handle(); }
bool SharedQueue::joinable() const { return state_->joinable; }
uint64_t SharedQueue::maxsize() const { return state_->maxsize; }

// ── Putting ──

// Why a put() or a loan has to wait.
constexpr const char* kNoMemory =
    "its items take all the memory that a queue may have, or /dev/shm is full";
constexpr Millis kSilent{1'000};  // then a put that waits for /dev/shm says so

bool SharedQueue::in_slot(uint64_t size) const { return state_->joinable || size > kMaxInline; }

void SharedQueue::throw_shut_down() const {
  throw Closed(format("put: {} was shut down: it takes nothing more", state_->name()));
}

// None: there is no room for it now.
std::optional<uint32_t> SharedQueue::slot_for(uint64_t size) {
  State& s = *state_;
  if (size > ItemSlots::kMaxItem) {
    throw NotSerialisable(format("put: {}: an item of {} bytes; {} is the most", s.name(), size,
                                 ItemSlots::kMaxItem));
  }
  auto slot = s.slots.acquire(size, ItemSlots::From::kFree);
  if (!slot && size <= kMaxInline) slot = s.slots.acquire(size, ItemSlots::From::kFreeOrNew);
  if (!slot) {
    // Before memory is added: there may be some that the dead have left.
    s.stream.as_reader([&s] { s.stream.as_writer([&s] { s.slots.sweep(!s.joinable); }); });
    slot = s.slots.acquire(size, ItemSlots::From::kFreeOrNew);
  }
  return slot;
}

// Puts the slot, if there is one; else the bytes, for which it may take one, that stays when there
// is no room now: false, and the reason.
bool SharedQueue::try_put(std::string_view bytes, std::optional<uint32_t>& slot,
                          const char*& reason) {
  State& s = *state_;
  if (s.stream.ended()) throw_shut_down();
  if (!slot && in_slot(bytes.size())) {
    slot = slot_for(bytes.size());
    if (!slot) {
      reason = kNoMemory;
      return false;
    }
    std::memcpy(s.slots.bytes(*slot), bytes.data(), bytes.size());
  }
  s.bell.ring();
  switch (slot ? s.stream.put_slot(*slot, s.maxsize) : s.stream.put(bytes, s.maxsize)) {
    case RecordStream::Put::kEnded:
      throw_shut_down();
    case RecordStream::Put::kFull:
      reason = "it is full";
      return false;
    case RecordStream::Put::kNoRoom:
      reason = kNoMemory;
      return false;
    case RecordStream::Put::kDone:
      break;
  }
  slot.reset();
  s.shared.items.wake();
  s.bell.settle([this] { return !nothing_to_get(); });
  return true;
}

// A put waits for memory that others than its getters may have to give; said once.
void SharedQueue::warn(const std::string& lack) {
  if (lack.empty() || state_->warned.exchange(true)) return;
  log(Level::kWarning, format("put: {} waits ({} items): {}", state_->name(), size(), lack));
}

// Until attempt(reason) is true; getters make room meanwhile, or Full tells the reason.
template <class Try>
void SharedQueue::until_room(Millis timeout, Try attempt) {
  State& s = *state_;
  const char* reason = "";
  if (attempt(reason)) return;
  Slices slices(timeout);
  const Deadline until_warning(kSilent);
  bool slept = false;
  const auto leave = [&](bool more) {
    if (slept) s.shared.room.pass_on([more] { return more; });
  };
  // Of /dev/shm, if that is the reason.
  const auto lack = [&] { return reason == kNoMemory ? s.memory.lack() : std::string(); };
  for (;;) {
    // A getter that was killed may have taken one.
    s.stream.as_reader([] {});
    if (attempt(reason)) return leave(true);
    if (slices.passed()) {
      leave(true);
      const std::string text = lack();
      throw Full(format("put: {}: {}, and no getter made room in time ({} items, maxsize {}){}{}",
                        s.name(), reason, size(), s.maxsize, text.empty() ? "" : "; ", text));
    }
    if (until_warning.passed() && reason == kNoMemory) warn(lack());
    const uint32_t seen = s.shared.room.announce();
    if (attempt(reason)) return leave(true);
    s.shared.room.sleep(seen, slices.next());
    slept = true;
  }
}

void SharedQueue::put(std::string_view bytes, Millis timeout) {
  std::optional<uint32_t> slot;
  const Unused unused{state_->slots, slot};
  until_room(timeout, [&](const char*& reason) { return try_put(bytes, slot, reason); });
}

std::optional<QueueCore::Lent> SharedQueue::lend(uint64_t size, Millis timeout) {
  State& s = *state_;
  if (s.stream.ended()) throw_shut_down();
  if (!in_slot(size)) return std::nullopt;
  std::optional<uint32_t> slot;
  const Unused unused{s.slots, slot};
  until_room(timeout, [&](const char*& reason) {
    if (s.stream.ended()) throw_shut_down();
    slot = slot_for(size);
    reason = kNoMemory;
    return slot.has_value();
  });
  std::byte* const memory = reinterpret_cast<std::byte*>(s.slots.bytes(*slot));
  return Lent{*std::exchange(slot, std::nullopt), memory};
}

void SharedQueue::put_lent(uint32_t place, Millis timeout) {
  if (!state_->slots.written_by_this_process(place))
    throw Invalid(format("put: {}: this loan is another process's", state_->name()));
  std::optional<uint32_t> slot = place;
  until_room(timeout, [&](const char*& reason) { return try_put({}, slot, reason); });
}

void SharedQueue::take_back(uint32_t place) noexcept {
  State& s = *state_;
  if (!s.slots.written_by_this_process(place)) return;
  s.slots.release(place);
  s.shared.room.wake();
}

// ── Getting ──

void SharedQueue::release(uint32_t slot) noexcept {
  State& s = *state_;
  // In a child of fork it is its parent's.
  if (!s.slots.read_by_this_process(slot)) return;
  if (!s.joinable) {
    s.slots.release(slot);
  } else if (!s.slots.let_go(slot)) {
    return;
  }
  s.shared.room.wake();
}

bool SharedQueue::nothing_to_get() {
  State& s = *state_;
  return !s.stream.ended() && s.slots.given_back() == 0 && s.stream.empty();
}

// Who gets of a joinable queue is known by then, so that its death is noticed.
void SharedQueue::register_holder() {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  if (s.registered_in == fork_generation() + 1) return;
  const Holder me = this_process();
  // It may have had this queue open before: then it is here already, at the place it comes to first
  // or not far behind.
  const auto enter = [&] {
    for (size_t i = 0; i < kHolders; ++i) {
      auto& holder = s.shared.holders[(number_of(me) + i) % kHolders];
      uint64_t who = holder;
      if (who == me || (who == 0 && holder.compare_exchange_strong(who, me))) return true;
    }
    return false;
  };
  bool entered = enter();
  if (!entered) {
    give_back_of_dead();
    entered = enter();
  }
  if (!entered) {
    throw Unsupported(format("get: {}: {} processes get from this JoinableQueue; no more can",
                             s.name(), kHolders));
  }
  s.registered_in = fork_generation() + 1;
}

// What dead processes had got of a joinable queue. True: there is something of that.
bool SharedQueue::give_back_of_dead() {
  State& s = *state_;
  uint32_t count = 0;
  for (auto& holder : s.shared.holders) {
    uint64_t who = holder;
    if (who == 0 || !process_ended(who)) continue;
    s.stream.as_reader([&] { count += s.slots.give_back(who); });
    holder.compare_exchange_strong(who, 0);
  }
  for (uint32_t i = 0; i < count; ++i) s.shared.items.wake();
  if (count > 0) s.bell.settle([this] { return !nothing_to_get(); });
  return s.slots.given_back() != 0;
}

// All that can throw does so before anything is taken.
bool SharedQueue::try_get(Item& item) {
  State& s = *state_;
  s.bell.prepare();
  ItemSlots::Slot slot = 0;
  bool in_slot = false;
  if (s.joinable && s.slots.given_back() != 0) {
    if (const auto first = s.slots.take_given_back()) {
      slot = *first;
      in_slot = true;
    }
  }
  if (!in_slot) {
    const RecordStream::Got got = s.stream.get(item.small(), slot);
    if (got == RecordStream::Got::kNothing) return false;
    in_slot = got == RecordStream::Got::kSlot;
  }
  if (in_slot) {
    item.lie_in(shared_from_this(), slot, {s.slots.bytes(slot), s.slots.size(slot)});
    if (s.joinable) s.held.add({slot, s.slots.order(slot)});
  }
  s.shared.room.wake();
  s.bell.settle([this] { return !nothing_to_get(); });
  return true;
}

QueueCore::Item SharedQueue::get(Millis timeout) {
  State& s = *state_;
  Item item;
  if (s.joinable) register_holder();
  if (try_get(item)) return item;

  Slices slices(timeout);
  bool slept = false;
  // Wakes the next, if there is something for it.
  const auto leave = [&] {
    if (slept) s.shared.items.pass_on([this] { return !nothing_to_get(); });
  };
  for (bool look_for_dead = true;; look_for_dead = slept) {
    if (look_for_dead && s.joinable) give_back_of_dead();
    const bool ended = s.stream.ended();  // before it is found empty: what was put comes first
    if (try_get(item)) {
      leave();
      return item;
    }
    if (ended) {
      leave();
      throw EndOfStream(format("get: {} was shut down, and is empty", s.name()));
    }
    if (slices.passed()) {
      leave();
      throw Empty(format("get: nothing came into {} in time", s.name()));
    }
    if (s.look.find(s.stream.gets(), [this] { return !nothing_to_get(); })) continue;
    const uint32_t seen = s.shared.items.announce();
    if (nothing_to_get()) {
      s.shared.items.sleep(seen, slices.next());
      slept = true;
    }
  }
}

bool SharedQueue::poll(Millis timeout) {
  State& s = *state_;
  const auto ready = [this, &s] {
    if (s.joinable) give_back_of_dead();
    if (!nothing_to_get()) return true;
    // Who waits for the descriptor looks here: what a killed putter left in it ends.
    s.bell.settle([this] { return !nothing_to_get(); });
    return false;
  };
  if (ready()) return true;
  Slices slices(timeout);
  bool found = false;
  bool slept = false;
  while (!found && !slices.passed()) {
    const uint32_t seen = s.shared.items.announce();
    if (!nothing_to_get()) break;
    s.shared.items.sleep(seen, slices.next());
    slept = true;
    found = ready();
  }
  const auto more = [this] { return !nothing_to_get(); };
  if (slept) s.shared.items.pass_on(more);
  return more();
}

// ── The rest ──

uint64_t SharedQueue::size() {
  State& s = *state_;
  if (s.joinable) give_back_of_dead();
  return s.stream.size() + s.slots.given_back();
}

void SharedQueue::shut_down() {
  State& s = *state_;
  s.bell.prepare();
  s.stream.end();
  s.shared.items.wake_all();
  s.shared.room.wake_all();
  s.bell.settle([] { return true; });
}

void SharedQueue::task_done() {
  State& s = *state_;
  const auto done = [&s] {
    s.shared.room.wake();  // for those who want its memory
    if (s.shared.all_done.may_sleep() && s.slots.done() >= s.stream.puts())
      s.shared.all_done.wake_all();
  };
  while (const auto held = s.held.take()) {
    // Another process may have said so for it.
    if (s.slots.finish(*held)) return done();
  }
  if (finish_any()) return done();
  throw Invalid(format("task_done: {}: called more often than items were got from it and not done",
                       s.name()));
}

// Of any process. What is being taken is not taken yet: only the stream's reader knows.
bool SharedQueue::finish_any() {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  const auto finish_seen = [&s] {
    while (!s.held_by_any.empty()) {
      const ItemSlots::Taken first = s.held_by_any.front();
      s.held_by_any.pop_front();
      if (s.slots.finish(first)) return true;
    }
    return false;
  };
  bool done = false;
  s.stream.as_reader([&] {
    done = finish_seen();
    if (done) return;
    const std::vector<ItemSlots::Taken> held = s.slots.held();  // once for many calls
    s.held_by_any.assign(held.begin(), held.end());
    done = finish_seen();
  });
  return done;
}

bool SharedQueue::join(Millis timeout) {
  State& s = *state_;
  Slices slices(timeout);
  const auto all_done = [&s] {
    bool so = false;
    // A killed putter may have put one more.
    s.stream.as_writer([&] { so = s.slots.done() >= s.stream.puts(); });
    return so;
  };
  for (;;) {
    if (all_done()) return true;
    give_back_of_dead();
    if (slices.passed()) return false;
    const uint32_t seen = s.shared.all_done.announce();
    if (all_done()) return true;
    s.shared.all_done.sleep(seen, slices.next());
  }
}

int SharedQueue::fileno() {
  return state_->bell.fileno([this] { return !nothing_to_get(); });
}

}  // namespace towpath
