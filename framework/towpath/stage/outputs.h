#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/message/batch.h"

// Where a stage puts its rows. Rows gather in private memory and are cut into batches; what becomes
// of a batch is the consumer's business: in a worker it goes into an arena block, between fused
// steps to the next step, in StageTester to a list.
//
// Cuts       at `batch_rows` rows or kBatchBytes, only between rows: fixed by input and YAML alone.
//            A stage that works by columns may stage more than that at once; it is cut into several
//            batches then. Only a row that is larger by itself makes an image larger than 1 MiB.
// Threads    one.

namespace towpath {

inline constexpr size_t kBatchBytes =
    960 << 10;  // with one more row an image still fits 1 MiB, as a rule
inline constexpr size_t kImageBytes =
    (1 << 20) - (16 << 10);                  // what is cut at once takes at most this
inline constexpr int kRejects = -1;          // the number of the reject output
inline constexpr size_t kMaxRaw = 16 << 10;  // a reject keeps this much of its raw row

// Columns of a reject: stage, file, line, byte, reason, raw.
const Schema& reject_schema();

class Outputs;

template <class T>
class ColumnWriter {
 public:
  explicit ColumnWriter(ColumnBuilder& column) : column_(&column) {}
  void put(T value) {
    if constexpr (std::is_same_v<T, bool>) {
      column_->put_bool(value);
    } else if constexpr (std::is_same_v<T, int64_t>) {
      column_->put_int(value);
    } else if constexpr (std::is_same_v<T, double>) {
      column_->put_float(value);
    } else if constexpr (std::is_same_v<T, Date>) {
      column_->put_date(value.days);
    } else if constexpr (std::is_same_v<T, Timestamp>) {
      column_->put_int(value.micros);
    } else {
      column_->put_text(value);
    }
  }
  void put_null() { column_->put_null(); }

 private:
  ColumnBuilder* column_;
};

// One named output of one lease.
//
// A row is whole when every column has a value for it; columns may be put before or behind the call
// that begins the row, and in any order. What is not whole at a cut is a Bug that names the column.
class Output {
 public:
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Each begins a row and returns its number in the batch being staged.
  // Begins a row of a source, or of a reader.
  int64_t at(const SourcePosition& position);
  // Begins a row made from row `in_row` of the batch in process; keeps its source position.
  int64_t from(int64_t in_row);
  // Begins a row that comes from no single place, as a sum does.
  int64_t row();

  // Bind once per process(), before the first row; throws Bug when the output has no such column of
  // that type.
  template <class T>
  ColumnWriter<T> column(std::string_view name) {
    return ColumnWriter<T>(bind(name, type_of<T>()));
  }
  // The whole column at hand, for stages that work by columns.
  ColumnBuilder& builder(std::string_view name);

  // Rows of `in`, with all those columns that the output has under the same name and type and that
  // were not bound since process() began: those are for the stage to put.
  void forward(const Batch& in, std::span<const int32_t> rows);
  void forward_row(const Batch& in, int64_t row);  // begins the row as from() does

  const Schema& schema() const { return staged_.schema(); }
  int64_t staged_rows() const { return staged_.rows(); }

 private:
  friend class Outputs;
  Output(Outputs& owner, int number, Schema schema);

  template <class T>
  static constexpr std::optional<Type> type_of() {
    if constexpr (std::is_same_v<T, bool>) return Type::kBool;
    if constexpr (std::is_same_v<T, int64_t>) return Type::kInt;
    if constexpr (std::is_same_v<T, double>) return Type::kFloat;
    if constexpr (std::is_same_v<T, Date>) return Type::kDate;
    if constexpr (std::is_same_v<T, Timestamp>) return Type::kTimestamp;
    return std::nullopt;  // text: string, binary or object
  }
  // A column that forward() copies.
  struct Link {
    const Column* from;
    ColumnBuilder* to;
  };

  ColumnBuilder& bind(std::string_view name, std::optional<Type> type);
  void reset();  // forgets what was bound and linked
  void link(const Batch& in) {
    if (linked_to_ != &in.schema()) make_links(in);
  }
  void make_links(const Batch& in);
  size_t fitting(const Batch& in, std::span<const int32_t> rows) const;
  void append(const Batch& in, std::span<const int32_t> rows);
  // About what the image will take.
  size_t staged_bytes() const {
    size_t bytes = empty_bytes_ + static_cast<size_t>(staged_.rows()) * row_bytes_;
    for (ColumnBuilder* column : texts_) bytes += column->text().size();
    return bytes;
  }
  bool full() const;
  void cut_if_full();

  Outputs& owner_;
  int number_;
  BatchBuilder staged_;
  FieldIndex index_;                   // of its columns
  std::vector<ColumnBuilder*> texts_;  // the columns whose rows differ in size
  size_t empty_bytes_ = 0;             // of an image without rows
  size_t row_bytes_ = 0;               // of a row, but for the bytes of its texts
  std::vector<bool> bound_;
  // For forward(), found once per batch. `linked_` keeps that batch alive, so that no other can
  // have its schema's address.
  Batch linked_;
  const Schema* linked_to_ = nullptr;
  std::vector<Link> links_;
};

// What takes the batches that are cut.
class BatchConsumer {
 public:
  virtual ~BatchConsumer() = default;
  // One full batch of output `number` (kRejects: of rejects). The builder is cleared afterwards.
  virtual void consume(int number, BatchBuilder& batch) = 0;
  // Everything put so far stands: a redelivery begins behind it, with in.cursor() == cursor.
  virtual void part(std::string_view cursor) = 0;
};

class Outputs {
 public:
  struct Named {
    std::string name;
    Schema schema;
  };
  // outputs[0] is the main one (for a sink there is none).
  Outputs(std::string stage, std::vector<Named> outputs, uint64_t batch_rows,
          BatchConsumer& consumer);
  Outputs(const Outputs&) = delete;

  Outputs& operator=(const Outputs&) = delete;

  Output& main() { return (*this)[0]; }
  Output& operator[](size_t number);  // Bug: there is no such output
  Output& operator[](std::string_view name);

  // Sets a row aside, with its source position and as JSON. What was put out for it must not be
  // there: RowStage sees to that.
  void reject(const Batch& in, int64_t row, std::string_view reason);
  // For rows that never became one: a line that can't be parsed.
  void reject(const SourcePosition& position, std::string_view raw, std::string_view reason);
  // Commits so far: for a lease of millions of rows. After a death process() runs again with this
  // cursor.
  void part(std::string_view cursor);
  // True when a batch is full or was cut since the last part: about once a batch. Cheap; ask
  // between rows.
  bool part_is_due() const;

  // ── for those who run a stage ──
  void begin(const Batch& in);  // before process(): from() speaks of this batch
  void begin();                 // before finish() or a source's read(): from() is a Bug
  // At the end of a lease: hands what is staged to the consumer, and lets go of the batch, whose
  // memory may end with the lease.
  void flush();
  // For RowStage: no cut between mark() and release(); rollback() drops the rows since mark().
  void mark();
  void rollback();
  void release();
  int64_t rejected() const { return rejected_; }
  // Numbers of the rows of the batch in process that were rejected, in the order they were.
  std::span<const int64_t> rejected_rows() const { return rejected_rows_; }

 private:
  friend class Output;
  void cut_all();
  void cut(Output& output);
  void cut_in_pieces(Output& output);
  void add_reject(const SourcePosition& position, std::string_view reason, std::string_view raw);

  std::string stage_;
  uint64_t batch_rows_;
  BatchConsumer& consumer_;
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<Output>> outputs_;
  Output rejects_;
  const Batch* in_ = nullptr;
  bool held_ = false;
  std::vector<int64_t> marks_;
  int64_t rejected_ = 0;
  std::vector<int64_t> rejected_rows_;
  int cuts_since_part_ = 0;
};

}  // namespace towpath
