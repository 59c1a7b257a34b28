#pragma once
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/channel/connection.h"
#include "towpath/memory/sealed_memory.h"
#include "towpath/pool/parcel.h"
#include "towpath/pool/slate.h"
#include "towpath/pool/worker.h"
#include "towpath/process/process.h"

namespace towpath::pools {

// A worker as its pool sees it: the process, the connection to it, the slate, and the shipments it
// has not yet brought to an end. The pool's thread alone uses it; what others ask for (cancel,
// running) they ask under the engine's lock.
class Member {
 public:
  static constexpr size_t kMaxInMessage = size_t{1} << 20;  // larger ones take memory of their own
  static constexpr Millis kBeginPatience{1'000};
  enum class Life {
    kStarting,  // runs the initializer
    kReady,
    kRetiring,  // gets no more tasks; the pill follows its last shipment
    kEnding,    // has the pill, or a signal
  };
  // Why this pool ended it before its time.
  enum class Doom { kNone, kDeadline, kStalled, kKilled, kTerminated, kNonsense };

  // Starts the process.
  Member(uint64_t id, Options options, const WorkerSettings& settings);

  uint64_t id() const { return id_; }
  const std::string& name() const { return process_.name(); }
  Process& process() { return process_; }
  Connection& connection() { return connection_; }

  struct Shipment {
    ShipmentHead head;
    uint32_t received = 0;
    std::deque<Parcel> pieces;
    bool has_ended = false;
  };
  const std::deque<Shipment>& shipments() const { return shipments_; }
  bool idle() const { return shipments_.empty(); }
  size_t tasks() const;  // that it has, and that have no outcome yet
  bool has_unbegun() const;

  // A shipment of these parcels, which are of one code, defined before: queued for sending. Where
  // there is no memory for it nothing has happened, and the parcels are there still.
  void ship(std::deque<Parcel>&& pieces);
  void define(const Definition& definition);
  void send_pill();
  // Sends what is queued, as far as there is room. Without the lock.
  void flush();
  bool has_unsent() const { return !unsent_.empty(); }

  // Results that came. Invalid: the worker is out of its mind; then none of them are in `out`.
  void accept(const ResultsHead& head, std::string outcomes, std::vector<Delivery>& out);
  // Results that the worker has not sent yet.
  void look(std::vector<Delivery>& out);
  // Takes back what was not begun, in order. Of a worker that wrote nonsense where that stands all
  // counts as begun.
  void take_back(std::vector<Parcel>& out);
  // After death and after the last accept(): takes back as above, and returns the task that ran.
  // (Of a worker that wrote nonsense it may be several.)
  std::vector<Parcel> bury(std::vector<Parcel>& out);

  // The task that runs now, or ran at death.
  struct Running {
    const Shipment* shipment = nullptr;
    const Parcel* parcel = nullptr;
    uint64_t task = 0;  // as its receiver counts
    uint32_t index = 0;
  };
  std::optional<Running> running() const;
  // What of its writing made no sense, so that it is to be killed; empty: none that is known.
  const std::string& nonsense() const { return nonsense_.empty() ? nonsense_on_line_ : nonsense_; }
  void note_nonsense(const std::string& what) { nonsense_ = what; }
  // The same of what comes through the connection. Without the lock.
  void note_nonsense_on_line(const std::string& what) { nonsense_on_line_ = what; }
  // Notes what it finds.
  void check_claims();
  // A task of it has come to an end.
  bool was_of_use() const { return was_of_use_; }
  // It has tasks, and was silent for a second: its connection is to be looked at, in case it wrote
  // over what tells of messages. True once a second.
  bool to_be_heard(Clock::time_point now);
  // Where it has not begun its next shipment: lets it look whether that was lost, because a task
  // wrote over it before it was read; then the worker ends. Asks once a shipment. Without the lock.
  void ask_what_came();
  // When the task that runs will have passed its deadline. Where none runs: when the next will not
  // have been begun in that time (at least kBeginPatience) since the worker was free for it; a
  // worker that is stopped or stuck begins none. max: it has no deadline, or there is no such task.
  Clock::time_point expiry(Clock::time_point now);

  Life life = Life::kStarting;
  Doom doom = Doom::kNone;
  Clock::time_point signal_at = Clock::time_point::max();  // the next, harder way to end it
  bool was_asked = false;                                  // by SIGTERM
  bool was_stopped = false;                                // when it was killed for its doom
  bool heard_of = false;                                   // it has said that it is ready
  bool hung_up = false;
  std::string unread;  // why its results can't be read: the system refused memory or descriptors
  size_t codes_known = 0;
  uint64_t tasks_shipped = 0;
  uint64_t first_memory = 0;
  const Clock::time_point made_at = Clock::now();
  Clock::time_point heard_at = made_at;  // or idle since
  Clock::time_point listen_at = Clock::time_point::max();
  Clock::time_point look_at = Clock::time_point::max();
  Millis look_after{2};
  Clock::time_point deadline_at = Clock::time_point::max();

 private:
  // A message to be sent. A large one goes as memory that the worker maps: it is there at once.
  struct Outgoing {
    std::string bytes;
    SealedMemory memory{};
  };
  void send(Outgoing& message);
  void queue(Encoder& message) { unsent_.push_back({message.take()}); }
  void cut_shipment(Shipment& shipment, uint32_t count, std::vector<Parcel>& out);
  const Parcel* next_to_begin(Clock::time_point now);

  uint64_t id_;
  Connection connection_;
  Slate slate_;
  Process process_;
  std::deque<Shipment> shipments_;
  std::deque<Outgoing> unsent_;
  uint32_t next_slot_ = 0;
  uint32_t next_number_ = 0;
  std::optional<uint32_t> asked_for_;  // a shipment's number
  // Which task was to be begun next, when that was last looked at, and since when: shipment, index.
  std::optional<std::pair<uint32_t, uint32_t>> next_;
  Clock::time_point next_since_{};
  bool was_of_use_ = false;
  std::string nonsense_;
  std::string nonsense_on_line_;
  bool refused_ = false;  // the system gives no memory or descriptor for what is queued
};

}  // namespace towpath::pools
