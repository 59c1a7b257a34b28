#include "towpath/pool/worker.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <new>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/memory/mapping.h"
#include "towpath/memory/sealed_memory.h"
#include "towpath/process/remote_error.h"
#include "towpath/process/this_process.h"
#include "towpath/process/throw_trace.h"

namespace towpath::pools {
namespace {

constexpr std::chrono::milliseconds kMemoryEvery{50};

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// What a definition came to here.
struct KnownCode {
  Call::Function function = nullptr;
  Thunk thunk = nullptr;
  RemoteTrace failure;  // when it can't be run here
};

class Worker {
 public:
  Worker(Connection pool, Descriptor slate, const WorkerSettings& settings)
      : pool_(std::move(pool)), slate_(slate), settings_(settings) {}

  void run() {
    if (!initialize()) return;
    for (bool more = true; more;) {
      Connection::Received message = pool_.receive();
      if (Decoder(message.bytes()).peek() != Decoder::Kind::kArray) {
        more = obey(message.bytes());
        continue;
      }
      const SealedMemory memory =
          SealedMemory::adopt(UniqueFd(message.as<LargeMessage>().memory.fd));
      const Mapping mapping(memory.fd(), 0, memory.size(), Mapping::Access::kRead);
      more = obey({mapping.bytes().data(), mapping.bytes().size()});
    }
  }

 private:
  bool initialize();
  bool obey(std::string_view message);
  void define(const Definition& definition);
  void require_next(uint32_t shipment) const;
  void run_shipment(Decoder& in);
  void run_task(const KnownCode& code, Decoder& in);
  void encode_failure(RemoteTrace trace);
  void put_result(uint32_t shipment, uint32_t task);
  void put_unsendable(uint32_t shipment, uint32_t task);
  void flush(uint32_t flags);
  uint64_t memory();
  void send(const ResultsHead& head, std::string_view body) {
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
    bytes += body;
    pool_.send_bytes(bytes);
  }

  Connection pool_;
  SlateWriter slate_;
  const WorkerSettings& settings_;
  const std::string name_ = format("{} (pid {})", current_process().name(), ::getpid());
  std::vector<KnownCode> codes_;
  uint32_t next_shipment_ = 0;
  Encoder outcome_;
  bool thrown_ = false;  // it is a RemoteTrace
  int64_t begun_ = 0;    // since when the results in the slate were worked for
  Clock::time_point memory_at_{};
};

bool Worker::initialize() {
  const RecordThrows record;
  try {
    if (settings_.has_initializer) {
      const auto function = reinterpret_cast<Call::Function>(resolve_code(settings_.initializer));
      const auto thunk = reinterpret_cast<Call::Thunk>(resolve_code(settings_.initializer_thunk));
      Decoder in(settings_.initializer_arguments);
      thunk(function, in);
    }
  } catch (...) {
    RemoteTrace trace = trace_of_current_exception();
    if (trace.worker.empty()) trace.worker = name_;
    send({.kind = ResultsHead::kFailed}, to_bytes(trace));
    return false;
  }
  send({.kind = ResultsHead::kReady, .memory = resident_bytes()}, {});
  return true;
}

// False: that was the pill.
bool Worker::obey(std::string_view message) {
  Decoder in(message);
  switch (decode<ToWorker>(in)) {
    case ToWorker::kDefine:
      define(decode<Definition>(in));
      return true;
    case ToWorker::kShipment:
      run_shipment(in);
      return true;
    case ToWorker::kPill:
      return false;
    case ToWorker::kSent:
      require_next(decode<uint32_t>(in));
      return true;
  }
  throw Invalid("a pool's message is of no known kind");
}

void Worker::define(const Definition& definition) {
  if (definition.number != codes_.size()) throw Invalid("a pool's definitions came out of order");
  KnownCode code;
  try {
    code.function = reinterpret_cast<Call::Function>(resolve_code(definition.function));
    code.thunk = reinterpret_cast<Thunk>(resolve_code(definition.thunk));
  } catch (...) {
    code.failure = trace_of_current_exception();
  }
  codes_.push_back(std::move(code));
}

// What a task writes over in the connection's memory may look like messages that were given up.
void Worker::require_next(uint32_t shipment) const {
  if (shipment == next_shipment_) return;
  throw Invalid(
      format("shipment {} of a pool's tasks did not come, the next is {}: a task wrote "
             "over the memory of their connection",
             next_shipment_, shipment));
}

void Worker::run_shipment(Decoder& in) {
  const auto head = decode<ShipmentHead>(in);
  require_next(head.number);
  ++next_shipment_;
  if (head.code >= codes_.size() || head.slot >= kSlots) {
    throw Invalid("a pool's shipment names what is not known here");
  }
  const KnownCode& code = codes_[head.code];
  const RecordThrows record;
  begun_ = now();
  slate_.begin(head.number, 0);
  uint32_t next = 0;
  for (; next < head.count; ++next) {
    if (head.timed) slate_.stamp(head.slot, next, now());
    if (!slate_.claim(head.slot)) break;
    run_task(code, in);
    put_result(head.number, next);
  }
  flush(ResultsHead::kEnd);
  slate_.begin(head.number, next);
}

// Leaves the outcome in outcome_.
void Worker::run_task(const KnownCode& code, Decoder& in) {
  outcome_.clear();
  thrown_ = false;
  if (code.thunk == nullptr) {
    in.skip();
    return encode_failure(code.failure);
  }
  Decoder behind = in;
  try {
    code.thunk(code.function, in, outcome_);
  } catch (...) {
    outcome_.clear();
    encode_failure(trace_of_current_exception());
    // Where reading stopped is anywhere in the arguments.
    behind.skip();
    in = behind;
  }
}

void Worker::encode_failure(RemoteTrace trace) {
  if (trace.worker.empty()) trace.worker = name_;  // of what a pool in this worker has thrown: kept
  encode(outcome_, trace);
  thrown_ = true;
}

void Worker::put_result(uint32_t shipment, uint32_t task) {
  if (thrown_ == slate_.thrown() && slate_.append(outcome_.bytes())) return;
  flush(0);
  slate_.begin(shipment, task, thrown_);
  if (slate_.append(outcome_.bytes())) return;
  // One that is larger than the slate.
  if (outcome_.bytes().size() > kMaxConnectionMessage - sizeof(ResultsHead)) {
    const std::string what = format("a result of {} bytes; at most {} can travel",
                                    outcome_.bytes().size(), kMaxConnectionMessage);
    outcome_.clear();
    encode_failure({.type = "towpath::NotSerialisable", .message = what});
    slate_.begin(shipment, task, thrown_);
    if (slate_.append(outcome_.bytes())) return;
  }
  const int64_t end = now();
  try {
    send({.shipment = shipment,
          .first = task,
          .count = 1,
          .flags = thrown_ ? uint32_t{ResultsHead::kThrown} : 0,
          .nanoseconds = end - begun_},
         outcome_.bytes());
  } catch (const SystemError&) {
    return put_unsendable(shipment, task);
  } catch (const std::bad_alloc&) {
    return put_unsendable(shipment, task);
  }
  begun_ = end;
  (void)outcome_.take();  // its memory is not kept
  slate_.begin(shipment, task + 1);
}

// In a handler: there is no memory for a large result. Nothing of it was sent, and the next may be
// smaller.
void Worker::put_unsendable(uint32_t shipment, uint32_t task) {
  const RemoteTrace trace = trace_of_current_exception();
  (void)outcome_.take();
  encode_failure(trace);
  slate_.begin(shipment, task, thrown_);
  if (!slate_.append(outcome_.bytes())) throw;
}

void Worker::flush(uint32_t flags) {
  if (flags == 0 && slate_.count() == 0) return;
  const int64_t end = now();
  pool_.send_bytes(slate_.message(flags, end - begun_, flags == 0 ? 0 : memory()));
  begun_ = end;
}

uint64_t Worker::memory() {
  if (!settings_.reports_memory || Clock::now() < memory_at_) return 0;
  memory_at_ = Clock::now() + kMemoryEvery;
  return resident_bytes();
}

}  // namespace

void work(Connection pool, Descriptor slate, const WorkerSettings& settings) {
  try {
    Worker(std::move(pool), slate, settings).run();
  } catch (const Closed&) {
    // The pool is gone, and with it whoever wanted results.
  }
}

}  // namespace towpath::pools
