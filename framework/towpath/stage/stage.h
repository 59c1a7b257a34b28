#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/message/batch.h"
#include "towpath/message/codec.h"
#include "towpath/stage/outputs.h"
#include "towpath/stage/registration.h"
#include "towpath/stage/services.h"
#include "towpath/stage/settings.h"
#include "towpath/stage/stage_spec.h"

// The interface to plugins. A stage lives in a process of its own (or shares one with the other
// steps of its `steps`), is used by one thread, and has no other door to the world than what it is
// handed here.
//
// Throwing   from a constructor or open(): the run stops, nothing is retried, what() is shown to
//            the user. From RowStage::row(): that row is rejected. From process() of any other
//            stage: the run stops. A stage that keeps state names the rows it can't take in
//            Stateful::validate(), before it has changed anything.

namespace towpath {

// Turns a batch into batches. A batch may run twice, after a death: effects only in `out` and in
// own fields, and the same input must give the same output.
class Stage {
 public:
  virtual ~Stage() = default;
  virtual void open(Services& services) { (void)services; }
  virtual void process(const Batch& in, Outputs& out) = 0;  // in.port(): which input
  // The input has ended. True: call again, there is more; each call is a commit.
  virtual bool finish(int port, Outputs& out) {
    (void)port;
    (void)out;
    return false;
  }
  // Which input to read next, for a stage that chooses (merge, join); none: in order of sequence.
  virtual std::optional<int> next_port() { return std::nullopt; }
};

// One row of a batch, to read.
class Row {
 public:
  Row(const Batch& batch, int64_t number) : batch_(&batch), number_(number) {}
  int64_t number() const { return number_; }
  const Batch& batch() const { return *batch_; }
  bool is_null(std::string_view column) const { return batch_->column(column).is_null(number_); }
  template <class T>
  T get(std::string_view column) const {
    if constexpr (std::is_same_v<T, int64_t>)
      return batch_->ints(column)[number_];
    else if constexpr (std::is_same_v<T, double>)
      return batch_->floats(column)[number_];
    else if constexpr (std::is_same_v<T, bool>)
      return batch_->bools(column)[number_];
    else if constexpr (std::is_same_v<T, Date>)
      return batch_->dates(column)[number_];
    else if constexpr (std::is_same_v<T, Timestamp>)
      return batch_->timestamps(column)[number_];
    else
      return T(batch_->strings(column)[number_]);
  }
  SourcePosition position() const { return batch_->position(number_); }

 private:
  const Batch* batch_;
  int64_t number_;
};

// A stage that looks at one row at a time. A throw drops what was put out for the row and rejects
// exactly it.
class RowStage : public Stage {
 public:
  virtual void row(const Row& in, Outputs& out) = 0;
  void process(const Batch& in, Outputs& out) final;
};

// Mixed into a Stage that keeps something between batches; 64 fixed partitions, in.partition(row).
class Stateful {
 public:
  virtual ~Stateful() = default;
  // Before process(), and pure: rejects the rows that process() could not take. What it rejects,
  // process() does not see: the rest comes as a batch of its own. A member of a keyed pool rejects
  // only rows of its own partitions; the others are looked at by their own members.
  virtual void validate(const Batch& in, Outputs& rejects) const {
    (void)in;
    (void)rejects;
  }
  // Bytes of memory that the state takes, by capacity, with what the flush will need beside it: so
  // that a flush asks for nothing that was not counted. Counts against `memory:`. Asked after every
  // batch: O(1), or nearly so. After the last finish() there should be none left.
  virtual uint64_t state_bytes() const = 0;
  virtual void save(int partition, Encoder& out) = 0;
  virtual void restore(int partition, Decoder& in) = 0;
};

// validate(), then the rows it left: `in` itself, if it rejected none. The caller begins `out` with
// `in`, and again with the rows that process() gets.
Batch validated(const Stateful& stage, const Batch& in, Outputs& out);

class Source {
 public:
  struct Read {
    enum State { kMore, kIdle, kEnd } state = kMore;
    std::string token;   // names the point after what was read
    uint64_t done = 0;   // progress: bytes (or rows) done, of
    uint64_t total = 0;  // so many in all; 0: unknown
  };
  virtual ~Source() = default;
  // Opens at the start, or just after the point that `token` names.
  virtual void open(Services& services, std::optional<std::string_view> token) = 0;
  virtual Read read(Outputs& out) = 0;        // at most one batch
  virtual int wait_fd() const { return -1; }  // polled while kIdle
};

// Two-phase, so that what is visible is always a recorded prefix of the stream.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void open(Services& services,
                    std::optional<std::string_view> position) = 0;  // cut back to it
  virtual void write(const Batch& in, Outputs& rejects) = 0;
  // Durable, not yet visible; returns the position.
  virtual std::string prepare(uint64_t epoch, Outputs& rejects) = 0;
  // The run has recorded the position. What may refuse rows is done now, as far as it can be
  // undone: a transaction, up to its commit. Here and in prepare() alone rows that write() took may
  // be rejected, and the same again if it is repeated.
  virtual void apply(uint64_t epoch, Outputs& rejects) {
    (void)epoch;
    (void)rejects;
  }
  virtual void commit(uint64_t epoch) = 0;  // visible, where the sink can; repeatable
  virtual void close() = 0;                 // end of run: rename into place; repeatable
  virtual void discard() = 0;  // the run was stopped: removes what is not visible; repeatable
};

}  // namespace towpath
