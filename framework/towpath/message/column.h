#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "towpath/message/type.h"

// One column of a batch, to read (Column and its typed views) and to build (ColumnBuilder).
//
// Layout     Apache Arrow's: a validity bitmap (least significant bit first, absent when nothing is
//            null), then values, or rows + 1 int32 offsets and bytes. Buffers are 64-byte aligned
//            in a batch image.
// Nulls      a null's value slot holds zero, or an empty range: reading it is defined.
// Source     https://arrow.apache.org/docs/format/Columnar.html

namespace towpath {

// Days since 1970-01-01, and microseconds since 1970-01-01T00:00:00Z: types of their own, so that a
// column of dates is not taken for one of integers.
struct Date {
  int32_t days = 0;
  auto operator<=>(const Date&) const = default;
};
struct Timestamp {
  int64_t micros = 0;
  auto operator<=>(const Timestamp&) const = default;
};

inline bool bit_at(const uint8_t* bits, int64_t i) { return (bits[i >> 3] >> (i & 7)) & 1; }

// A view of one column; points into memory that the batch (or builder) keeps.
struct Column {
  Type type = Type::kInt;
  int64_t rows = 0;
  const uint8_t* validity = nullptr;  // null: no row is null
  const void* values = nullptr;       // bitmap for bool; null for variable types
  const int32_t* offsets = nullptr;   // rows + 1, for variable types
  const char* bytes = nullptr;

  bool is_null(int64_t row) const { return validity != nullptr && !bit_at(validity, row); }
  bool has_nulls() const { return validity != nullptr; }
  bool bool_at(int64_t row) const { return bit_at(static_cast<const uint8_t*>(values), row); }
  int64_t int_at(int64_t row) const {  // timestamp too
    return static_cast<const int64_t*>(values)[row];
  }
  double float_at(int64_t row) const { return static_cast<const double*>(values)[row]; }
  int32_t date_at(int64_t row) const { return static_cast<const int32_t*>(values)[row]; }
  std::string_view text_at(int64_t row) const {  // string, binary, object
    return {bytes + offsets[row], static_cast<size_t>(offsets[row + 1] - offsets[row])};
  }
};

// A column whose type is known: `column[row]`.
template <class T>
class TypedColumn {
 public:
  explicit TypedColumn(const Column& column) : column_(column) {}
  int64_t rows() const { return column_.rows; }
  bool is_null(int64_t row) const { return column_.is_null(row); }
  T operator[](int64_t row) const {
    if constexpr (std::is_same_v<T, bool>) {
      return column_.bool_at(row);
    } else if constexpr (std::is_same_v<T, int64_t>) {
      return column_.int_at(row);
    } else if constexpr (std::is_same_v<T, double>) {
      return column_.float_at(row);
    } else if constexpr (std::is_same_v<T, Date>) {
      return Date{column_.date_at(row)};
    } else if constexpr (std::is_same_v<T, Timestamp>) {
      return Timestamp{column_.int_at(row)};
    } else {
      return column_.text_at(row);
    }
  }

 private:
  Column column_;
};
using BoolColumn = TypedColumn<bool>;
using IntColumn = TypedColumn<int64_t>;
using FloatColumn = TypedColumn<double>;
using StringColumn = TypedColumn<std::string_view>;
using DateColumn = TypedColumn<Date>;
using TimestampColumn = TypedColumn<Timestamp>;

// Bytes that grow. Unlike a vector it does not zero what it makes room for, and clear() keeps the
// memory.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~Buffer();

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  // Makes the buffer `size` bytes; bytes beyond the old size are not set.
  void resize(size_t size) {
    if (size > capacity_) grow(size);
    size_ = size;
  }
  // Room for `count` more bytes, which the caller writes.
  char* extend(size_t count) {
    const size_t at = size_;
    resize(size_ + count);
    return data_ + at;
  }
  void append(const void* bytes, size_t count) {
    if (count != 0) std::memcpy(extend(count), bytes, count);
  }
  template <class T>
  void push(T value) {
    std::memcpy(extend(sizeof value), &value, sizeof value);
  }
  void clear() { size_ = 0; }

 private:
  void grow(size_t size);

  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Builds one column in private memory, row by row or whole ranges at once.
// Errors     Invalid when the bytes of a variable column pass 2 GiB - 1 (offsets are int32).
class ColumnBuilder {
 public:
  explicit ColumnBuilder(Type type);
  ColumnBuilder(ColumnBuilder&&) = default;
  ColumnBuilder& operator=(ColumnBuilder&&) = default;

  Type type() const { return type_; }
  int64_t rows() const { return rows_; }
  size_t bytes() const;      // of all buffers together
  size_t capacity() const {  // what they have room for
    return validity_.capacity() + values_.capacity() + text_.capacity();
  }
  Column view() const;  // valid until the next change

  void put_bool(bool value);
  void put_int(int64_t value) {  // timestamp too
    values_.push(value);
    added_valid();
  }
  void put_float(double value) {
    values_.push(value);
    added_valid();
  }
  void put_date(int32_t value) {
    values_.push(value);
    added_valid();
  }
  void put_text(std::string_view value) {  // string, binary, object
    text_.append(value.data(), value.size());
    end_text();
  }
  // For text made in place: append to text(), then end_text() makes it one row.
  Buffer& text() { return text_; }
  void end_text() {
    if (text_.size() > kMaxText) throw_too_large();
    values_.push(static_cast<int32_t>(text_.size()));
    added_valid();
  }
  void put_null();

  // Rows [first, first + count) of `from`, which has this type.
  void append(const Column& from, int64_t first, int64_t count);
  // The rows named, in that order.
  void append(const Column& from, std::span<const int32_t> rows);
  // Row `row` of `from`.
  void append_row(const Column& from, int64_t row);

  void truncate(int64_t rows);  // drops the rows behind
  void clear() { truncate(0); }

 private:
  static constexpr size_t kMaxText = INT32_MAX;
  [[noreturn]] static void throw_too_large();
  void added_valid() {
    if (has_nulls_) set_validity(rows_, true);
    ++rows_;
  }
  void append_validity(const Column& from, int64_t first, int64_t count);
  void set_validity(int64_t row, bool valid);
  void start_validity();

  Type type_;
  int64_t rows_ = 0;
  bool has_nulls_ = false;
  Buffer validity_;
  Buffer values_;  // for variable types: the offsets, of which the first is 0
  Buffer text_;
};

}  // namespace towpath
