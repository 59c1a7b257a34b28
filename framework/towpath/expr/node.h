#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/expr/ast.h"
#include "towpath/message/batch.h"
#include "towpath/message/column.h"
#include "towpath/message/type.h"

// A typed expression, ready to run. Each node owns the column that it computes, a chunk of rows at
// a time, so that scratch memory stays small and in the cache however large the batch.
//
// Nulls      a strict node is null where an argument is; the others decide themselves. Null slots
//            may hold anything below the root.
// Failures   a row that fails is null from there on; it is kept in a list by row, of which a row
//            that fails is a rare entry, and made words only at the end. `if`, `and`, `or` and
//            coalesce drop the failures of what a row would not have evaluated.

namespace towpath::expr {

inline constexpr int64_t kChunkRows =
    4096;  // a multiple of 64: a chunk of a bitmap starts at a whole word

struct Node;

// Why rows fail. `what` is followed by " in qty * price", or follows "int('x1'): ".
struct Fault {
  std::string_view what;
  bool shows_value;  // of the first argument
};

struct Failure {
  int32_t row;  // of the chunk
  const Node* node;
  const Fault* fault;
};

// The rows at hand.
struct Chunk {
  const Batch* batch = nullptr;  // null while constants are folded
  int64_t first = 0;             // row of the batch
  int64_t rows = 1;
};

struct Node {
  // Computes `out` (and adds to `failures`) from the `out` of the arguments.
  using Kernel = void (*)(Node& self, const Chunk& chunk);

  explicit Node(Type of) : type(of) { out.type = of; }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Type type;
  Span span;                // where it stands in the text
  Kernel kernel = nullptr;  // none: a constant
  bool strict = true;
  bool varies = false;             // not the same for the same arguments: random()
  bool untyped = false;            // the literal null, until its type is known
  bool literal = false;            // stands in the text, or is a param
  bool constant = false;           // `out` has one row that stands for all
  std::string column;              // of a node that reads a column of the batch
  const Column* source = nullptr;  // that column, in the batch at hand
  const Node* target = nullptr;    // of an alias: the node whose column it shares
  std::shared_ptr<const void>
      state;           // what a kernel knows besides its arguments: a regular expression, a set
  int64_t number = 0;  // likewise: a unit of time, the seed of random()
  std::vector<std::unique_ptr<Node>> args;

  Column out;
  std::vector<Failure> failures;  // by row, one a row

  const Node& arg(size_t i) const { return *args[i]; }
  bool is_null_constant() const { return constant && out.is_null(0); }
  bool is_null(int64_t row) const { return out.is_null(constant ? 0 : row); }
  std::string_view text_at(int64_t row) const { return out.text_at(constant ? 0 : row); }

  // ── for kernels ──
  // Makes room for a value a row; the caller writes all of them.
  template <class T>
  T* fixed(int64_t rows) {
    values.resize(static_cast<size_t>(rows) * sizeof(T));
    out.values = values.data();
    return reinterpret_cast<T*>(values.data());
  }
  // Makes room for a bit a row, in whole words.
  uint64_t* bits(int64_t rows);
  // A validity bitmap of its own, a copy of the present one, or all valid.
  uint64_t* own_validity();
  void set_null(int64_t row);
  void fail(int64_t row, const Fault& fault) {
    set_null(row);
    failures.push_back({static_cast<int32_t>(row), this, &fault});
  }

  Buffer values, validity, text;  // what `out` points into, unless it shares another's
};

// Writes a text column row by row.
class TextWriter {
 public:
  TextWriter(Node& node, int64_t rows);
  ~TextWriter() { finish(); }
  TextWriter(const TextWriter&) = delete;
  TextWriter& operator=(const TextWriter&) = delete;

  void append(std::string_view piece) {
    if (piece.size() > kMaxText - text_.size()) throw_too_large();
    text_.append(piece.data(), piece.size());
  }
  // Room for `count` bytes, which the caller writes.
  char* extend(size_t count) {
    if (count > kMaxText - text_.size()) throw_too_large();
    return text_.extend(count);
  }
  void cut(size_t count) { text_.resize(text_.size() - count); }  // takes bytes of this row back
  void end_row() { *++offset_ = static_cast<int32_t>(text_.size()); }
  void put(std::string_view value) {
    append(value);
    end_row();
  }

 private:
  static constexpr size_t kMaxText = INT32_MAX;
  [[noreturn]] static void throw_too_large();
  void finish();

  Node& node_;
  Buffer& text_;
  int32_t* offset_;
};

// Runs a node and all below it.
void evaluate(Node& node, const Chunk& chunk);
// Adds failures that `keep` likes; see sort_failures.
template <class Keep>
void take_failures(Node& node, const Node& from, Keep keep) {
  for (const Failure& failure : from.failures) {
    if (keep(failure.row)) node.failures.push_back(failure);
  }
}
// Orders failures by row and keeps the first of each row that was added first.
void sort_failures(Node& node);

// The words for a failure. `text` is the expression's.
std::string describe(const Failure& failure, std::string_view text);
// One value as it is written in an expression, cut to a readable length.
std::string show_value(const Node& node, int64_t row);

// 64 bits from row `i` (a multiple of 64) of a bitmap of `rows` rows; the bits behind are
// undefined.
inline uint64_t load_word(const void* bitmap, int64_t i, int64_t rows) {
  uint64_t word = 0;
  const int64_t left = rows - i;
  std::memcpy(&word, static_cast<const uint8_t*>(bitmap) + i / 8,
              left >= 64 ? 8 : static_cast<size_t>((left + 7) / 8));
  return word;
}
inline uint64_t all_bits(bool value) { return value ? ~uint64_t{0} : 0; }
// 64 bits of validity, or of the values of a bool node, from row `i`; of a constant, 64 times its
// bit.
inline uint64_t validity_word(const Node& node, int64_t i, int64_t rows) {
  if (node.constant) return all_bits(!node.out.is_null(0));
  return node.out.validity == nullptr ? ~uint64_t{0} : load_word(node.out.validity, i, rows);
}
inline uint64_t value_word(const Node& node, int64_t i, int64_t rows) {
  if (node.constant) return all_bits(node.out.bool_at(0));
  return load_word(node.out.values, i, rows);
}

}  // namespace towpath::expr
