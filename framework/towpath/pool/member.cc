#include "towpath/pool/member.h"

#include <algorithm>
#include <iterator>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/write_all.h"

namespace towpath::pools {
namespace {

// A worker that reads has room; one that is stopped must not stop its pool.
constexpr Millis kSendPatience{20};
constexpr Millis kSilence{1'000};

}  // namespace

Member::Member(uint64_t id, Options options, const WorkerSettings& settings)
    : id_(id), process_([&] {
        auto [mine, its] = Pipe();
        connection_ = std::move(mine);
        options.daemon = true;
        return Process(std::move(options), &work, std::move(its), slate_.descriptor(), settings);
      }()) {
  process_.start();
}

size_t Member::tasks() const {
  size_t tasks = 0;
  for (const Shipment& each : shipments_) tasks += each.head.count - each.received;
  return tasks;
}

bool Member::has_unbegun() const {
  return std::ranges::any_of(shipments_, [this](const Shipment& each) {
    return slate_.claimed(each.head.slot) < each.head.count;
  });
}

void Member::define(const Definition& definition) {
  Encoder out;
  encode(out, ToWorker::kDefine);
  encode(out, definition);
  queue(out);
  codes_known = definition.number + 1;
}

void Member::ship(std::deque<Parcel>&& pieces) {
  Encoder out;
  Shipment shipment;
  shipment.head.code = pieces.front().code;
  shipment.head.timed = pieces.front().deadline != kForever;
  for (const Parcel& piece : pieces) shipment.head.count += piece.count;
  const auto taken = [this](uint32_t slot) {
    return std::ranges::any_of(shipments_,
                               [slot](const Shipment& s) { return s.head.slot == slot; });
  };
  while (taken(next_slot_)) next_slot_ = (next_slot_ + 1) % kSlots;
  shipment.head.slot = next_slot_;
  shipment.head.number = next_number_;
  encode(out, ToWorker::kShipment);
  encode(out, shipment.head);
  for (const Parcel& piece : pieces) out.raw(piece.arguments);
  const bool was_idle = shipments_.empty();
  const ShipmentHead head = shipment.head;
  shipments_.push_back(std::move(shipment));
  try {
    queue(out);
  } catch (...) {
    shipments_.pop_back();
    throw;
  }
  ++next_number_;
  const auto now = Clock::now();
  for (const Parcel& piece : pieces) {
    piece.receiver->member_ = id_;
    if (piece.deadline != kForever) deadline_at = std::min(deadline_at, now + piece.deadline);
  }
  slate_.open(head.slot, head.count);
  tasks_shipped += head.count;
  shipments_.back().pieces = std::move(pieces);
  if (was_idle) {
    heard_at = now;
    listen_at = heard_at + kSilence;
  }
  (void)next_to_begin(now);
}

void Member::send_pill() {
  Encoder out;
  encode(out, ToWorker::kPill);
  queue(out);
}

void Member::send(Outgoing& message) {
  if (message.bytes.size() <= kMaxInMessage && !message.memory) {
    connection_.send_bytes(message.bytes, kSendPatience);
    return;
  }
  if (!message.memory) {
    const size_t size = message.bytes.size();
    SealedMemory memory = SealedMemory::create("tasks", size);
    // Written, not mapped and copied: the system refuses where there is no memory, with no SIGBUS.
    write_all(memory.fd(), message.bytes, "memory of a task");
    message.memory = std::move(memory);
    message.bytes = {};
  }
  connection_.send(LargeMessage{{message.memory.fd()}}, kSendPatience);
}

void Member::flush() {
  try {
    while (!unsent_.empty()) {
      send(unsent_.front());
      unsent_.pop_front();
    }
    refused_ = false;
  } catch (const Full&) {
    // The next time.
  } catch (const Closed&) {
    unsent_.clear();  // its death is told by its sentinel
  } catch (const Invalid& error) {
    unsent_.clear();
    note_nonsense_on_line(error.what());
  } catch (const SystemError& error) {
    // No descriptors or memory are left for a large message: there may be, soon.
    if (!std::exchange(refused_, true))
      log(Level::kWarning, format("worker {}: tasks can't be sent yet: {}", name(), error.what()));
  }
}

void Member::accept(const ResultsHead& head, std::string outcomes, std::vector<Delivery>& out) {
  const auto shipment = std::ranges::find_if(
      shipments_, [&head](const Shipment& s) { return s.head.number == head.shipment; });
  if (shipment == shipments_.end() || head.first > shipment->received ||
      head.count > shipment->head.count - head.first) {
    throw Invalid("a worker sent results of tasks that it was not given");
  }
  // What was seen in the slate comes again in the message.
  const uint32_t known = std::min(shipment->received - head.first, head.count);
  uint32_t left = head.count - known;
  size_t at = 0;
  std::optional<Decoder> in;  // only where the outcomes must be told apart
  const auto position = [&] { return outcomes.size() - in->rest().size(); };
  if (known > 0 && left > 0) {
    in.emplace(outcomes);
    for (uint32_t i = 0; i < known; ++i) in->skip();
    at = position();
  }
  std::vector<Delivery> found;
  uint32_t index = shipment->received;  // of the next task in the shipment
  uint32_t begin = 0;                   // of the piece
  for (const Parcel& piece : shipment->pieces) {
    if (left == 0) break;
    const uint32_t end = begin + piece.count;
    if (index < end) {
      const uint32_t count = std::min(end - index, left);
      Delivery delivery{piece.receiver, piece.first + (index - begin), count};
      delivery.thrown = (head.flags & ResultsHead::kThrown) != 0;
      if (count == left) {
        // NOLINTNEXTLINE(bugprone-use-after-move): this was the last of it.
        delivery.outcomes = at == 0 ? std::move(outcomes) : outcomes.substr(at);
      } else {
        if (!in) in.emplace(outcomes);
        for (uint32_t i = 0; i < count; ++i) in->skip();
        delivery.outcomes = outcomes.substr(at, position() - at);
        at = position();
      }
      found.push_back(std::move(delivery));
      index += count;
      left -= count;
    }
    begin = end;
  }
  const bool ends = (head.flags & ResultsHead::kEnd) != 0;
  if (ends && index != shipment->head.count) {
    throw Invalid("a worker ended a shipment without all of its results");
  }
  std::ranges::move(found, std::back_inserter(out));
  shipment->received = index;
  was_of_use_ = true;
  heard_at = Clock::now();
  look_after = Millis{2};
  if (ends) shipments_.erase(shipment);
}

void Member::look(std::vector<Delivery>& out) {
  std::optional<Slate::Results> results = slate_.look();
  if (!results) return;
  const auto shipment = std::ranges::find_if(
      shipments_, [&](const Shipment& s) { return s.head.number == results->head.shipment; });
  // What was sent already may still stand there.
  if (shipment == shipments_.end() || results->head.first > shipment->received) return;
  if (results->head.first + results->head.count <= shipment->received) return;
  results->head.flags &= ResultsHead::kThrown;
  accept(results->head, std::move(results->bytes), out);
}

// Leaves `count` tasks in a shipment.
void Member::cut_shipment(Shipment& shipment, uint32_t count, std::vector<Parcel>& out) {
  std::deque<Parcel> kept;
  uint32_t begin = 0;
  for (Parcel& piece : shipment.pieces) {
    const uint32_t size = piece.count;
    if (begin + size <= count) {
      kept.push_back(std::move(piece));
    } else {
      if (begin < count) kept.push_back(piece.cut(count - begin));
      piece.receiver->member_ = 0;
      out.push_back(std::move(piece));
    }
    begin += size;
  }
  tasks_shipped -= shipment.head.count - count;
  shipment.pieces = std::move(kept);
  shipment.head.count = count;
}

void Member::take_back(std::vector<Parcel>& out) {
  for (Shipment& shipment : shipments_) {
    try {
      const uint32_t begun = slate_.revoke(shipment.head.slot, shipment.head.count);
      if (begun < shipment.received) throw Invalid("a worker did tasks that it had not begun");
      if (begun < shipment.head.count) cut_shipment(shipment, begun, out);
    } catch (const Invalid& error) {
      note_nonsense(error.what());
    }
  }
}

std::vector<Parcel> Member::bury(std::vector<Parcel>& out) {
  take_back(out);
  std::vector<Parcel> ran;
  for (Shipment& shipment : shipments_) {
    uint32_t begin = 0;
    for (Parcel& piece : shipment.pieces) {
      const uint32_t end = begin + piece.count;
      if (shipment.received < end) {
        if (shipment.received > begin) (void)piece.cut(shipment.received - begin);
        ran.push_back(std::move(piece));
      }
      begin = end;
    }
  }
  shipments_.clear();
  unsent_.clear();
  return ran;
}

std::optional<Member::Running> Member::running() const {
  // Shipments are worked at in order: of those that were begun, the last.
  for (auto shipment = shipments_.rbegin(); shipment != shipments_.rend(); ++shipment) {
    const uint32_t claimed = slate_.claimed(shipment->head.slot);
    if (claimed == 0) continue;
    const uint32_t index = claimed - 1;
    if (index < shipment->received) return std::nullopt;  // that one is done
    uint32_t begin = 0;
    for (const Parcel& piece : shipment->pieces) {
      if (index < begin + piece.count) {
        return Running{&*shipment, &piece, piece.first + (index - begin), index};
      }
      begin += piece.count;
    }
    return std::nullopt;
  }
  return std::nullopt;
}

void Member::check_claims() {
  try {
    for (const Shipment& each : shipments_) slate_.check(each.head.slot, each.head.count);
  } catch (const Invalid& error) {
    note_nonsense(error.what());
  }
}

bool Member::to_be_heard(Clock::time_point now) {
  if (idle() || now < listen_at) return false;
  const bool silent = now >= heard_at + kSilence;
  listen_at = (silent ? now : heard_at) + kSilence;
  return silent;
}

void Member::ask_what_came() {
  if (idle() || !heard_of || has_unsent()) return;
  // The tasks before it are done, so none of them writes over the question.
  const ShipmentHead& next = shipments_.front().head;
  if (asked_for_ == next.number || slate_.claimed(next.slot) != 0) return;
  asked_for_ = next.number;
  Encoder out;
  encode(out, ToWorker::kSent);
  encode(out, next_number_);
  queue(out);
}

// The next task, and notes since when it is that.
const Parcel* Member::next_to_begin(Clock::time_point now) {
  for (const Shipment& shipment : shipments_) {
    const uint32_t claimed = slate_.claimed(shipment.head.slot);
    if (claimed >= shipment.head.count) continue;
    const std::pair next(shipment.head.number, claimed);
    // What can't be sent is not the worker's fault.
    if (next_ != next || refused_) next_since_ = now;
    next_ = next;
    uint32_t begin = 0;
    for (const Parcel& piece : shipment.pieces) {
      begin += piece.count;
      if (claimed < begin) return &piece;
    }
  }
  return nullptr;
}

Clock::time_point Member::expiry(Clock::time_point now) {
  const Parcel* const next = next_to_begin(now);
  if (const auto runs = running(); runs && runs->parcel->deadline != kForever) {
    const auto started = slate_.started(runs->shipment->head.slot, runs->index);
    // Another's time stands there: it was done, and the worker about to begin the next.
    const auto since = started           ? Clock::time_point(std::chrono::nanoseconds(*started))
                       : next != nullptr ? next_since_
                                         : now;
    return since + runs->parcel->deadline;
  }
  if (next == nullptr || next->deadline == kForever) return Clock::time_point::max();
  return next_since_ + std::max(next->deadline, kBeginPatience);
}

}  // namespace towpath::pools
