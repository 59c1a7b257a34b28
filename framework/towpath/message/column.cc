#include "towpath/message/column.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "towpath/base/error.h"

namespace towpath {
namespace {

size_t bitmap_bytes(int64_t bits) { return static_cast<size_t>((bits + 7) >> 3); }

// Bit `at` of a bitmap that holds `at` bits, or more which are forgotten.
void put_bit(Buffer& bits, int64_t at, bool value) {
  const size_t byte = static_cast<size_t>(at >> 3);
  bits.resize(byte + 1);
  const unsigned keep =
      (1u << (at & 7)) - 1;  // what stands behind `at` may be left from before a truncate
  const unsigned old = static_cast<uint8_t>(bits.data()[byte]) & keep;
  bits.data()[byte] = static_cast<char>(old | static_cast<unsigned>(value) << (at & 7));
}

void put_ones(Buffer& bits, int64_t at, int64_t count) {
  for (; count > 0 && (at & 7) != 0; ++at, --count) put_bit(bits, at, true);
  if (count <= 0) return;
  bits.resize(bitmap_bytes(at));
  const auto bytes = static_cast<size_t>(count >> 3);
  if (bytes != 0) std::memset(bits.extend(bytes), 0xff, bytes);
  at += count & ~int64_t{7};
  for (count &= 7; count > 0; ++at, --count) put_bit(bits, at, true);
}

// Appends bits [first, first + count) of `from` at bit `at`, eight bytes at a time where there are
// as many.
void put_bits(Buffer& bits, int64_t at, const uint8_t* from, int64_t first, int64_t count) {
  for (; count > 0 && (at & 7) != 0; ++at, ++first, --count) put_bit(bits, at, bit_at(from, first));
  if (count <= 0) return;
  bits.resize(bitmap_bytes(at));
  const uint8_t* source = from + (first >> 3);
  const unsigned shift = static_cast<unsigned>(first & 7);
  size_t bytes = static_cast<size_t>(count >> 3);
  char* target = bits.extend(bytes);
  if (shift == 0) {
    if (bytes != 0) std::memcpy(target, source, bytes);
  } else {
    for (; bytes >= 8; bytes -= 8, source += 8, target += 8) {
      uint64_t word;
      std::memcpy(&word, source, 8);
      word = word >> shift | uint64_t{source[8]} << (64 - shift);
      std::memcpy(target, &word, 8);
    }
    for (; bytes > 0; --bytes, ++source, ++target) {
      *target = static_cast<char>(source[0] >> shift | source[1] << (8 - shift));
    }
  }
  const int64_t whole = count & ~int64_t{7};
  for (int64_t i = whole; i < count; ++i) put_bit(bits, at + i, bit_at(from, first + i));
}

bool all_ones(const uint8_t* bits, int64_t first, int64_t count) {
  for (; count > 0 && (first & 7) != 0; ++first, --count) {
    if (!bit_at(bits, first)) return false;
  }
  const uint8_t* byte = bits + (first >> 3);
  for (; count >= 64; count -= 64, first += 64, byte += 8) {
    uint64_t word;
    std::memcpy(&word, byte, 8);
    if (word != ~uint64_t{0}) return false;
  }
  for (; count > 0; ++first, --count) {
    if (!bit_at(bits, first)) return false;
  }
  return true;
}

template <class T>
void gather(Buffer& to, const void* values, std::span<const int32_t> rows) {
  char* out = to.extend(rows.size() * sizeof(T));
  const char* in = static_cast<const char*>(values);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(out + i * sizeof(T), in + static_cast<size_t>(rows[i]) * sizeof(T), sizeof(T));
  }
}

}  // namespace

Buffer::~Buffer() { std::free(data_); }

void Buffer::grow(size_t size) {
  const size_t capacity = std::max(size, std::max<size_t>(64, capacity_ * 2));
  void* data = std::realloc(data_, capacity);
  if (data == nullptr) throw std::bad_alloc();
  data_ = static_cast<char*>(data);
  capacity_ = capacity;
}

ColumnBuilder::ColumnBuilder(Type type) : type_(type) {
  if (is_variable(type_)) values_.push(int32_t{0});
}

size_t ColumnBuilder::bytes() const {
  return values_.size() + text_.size() + (has_nulls_ ? validity_.size() : 0);
}

Column ColumnBuilder::view() const {
  Column column;
  column.type = type_;
  column.rows = rows_;
  if (has_nulls_) column.validity = reinterpret_cast<const uint8_t*>(validity_.data());
  if (is_variable(type_)) {
    column.offsets = reinterpret_cast<const int32_t*>(values_.data());
    column.bytes = text_.data();
  } else {
    column.values = values_.data();
  }
  return column;
}

void ColumnBuilder::put_bool(bool value) {
  put_bit(values_, rows_, value);
  added_valid();
}

void ColumnBuilder::put_null() {
  switch (type_) {
    case Type::kBool:
      put_bit(values_, rows_, false);
      break;
    case Type::kInt:
    case Type::kFloat:
    case Type::kTimestamp:
      values_.push(int64_t{0});
      break;
    case Type::kDate:
      values_.push(int32_t{0});
      break;
    case Type::kString:
    case Type::kBinary:
    case Type::kObject:
      values_.push(static_cast<int32_t>(text_.size()));
      break;
  }
  if (!has_nulls_) start_validity();
  set_validity(rows_, false);
  ++rows_;
}

void ColumnBuilder::append(const Column& from, int64_t first, int64_t count) {
  expect(from.type == type_ && first >= 0 && count >= 0 && first + count <= from.rows,
         "append of rows that are not there");
  if (count == 0) return;
  const size_t size = value_size(type_);
  if (is_variable(type_)) {
    const int32_t begin = from.offsets[first];
    const size_t length = static_cast<size_t>(from.offsets[first + count] - begin);
    const size_t before = text_.size();
    if (length > kMaxText - before) throw_too_large();
    text_.append(from.bytes + begin, length);
    char* out = values_.extend(static_cast<size_t>(count) * sizeof(int32_t));
    const int32_t shift = static_cast<int32_t>(before) - begin;
    for (int64_t i = 0; i < count; ++i) {
      const int32_t end = from.offsets[first + 1 + i] + shift;
      std::memcpy(out + i * 4, &end, sizeof end);
    }
  } else if (type_ == Type::kBool) {
    put_bits(values_, rows_, static_cast<const uint8_t*>(from.values), first, count);
  } else {
    values_.append(static_cast<const char*>(from.values) + static_cast<size_t>(first) * size,
                   static_cast<size_t>(count) * size);
  }
  append_validity(from, first, count);
  rows_ += count;
}

void ColumnBuilder::append_validity(const Column& from, int64_t first, int64_t count) {
  const bool nulls = from.validity != nullptr && !all_ones(from.validity, first, count);
  if (nulls) {
    if (!has_nulls_) start_validity();
    put_bits(validity_, rows_, from.validity, first, count);
  } else if (has_nulls_) {
    put_ones(validity_, rows_, count);
  }
}

void ColumnBuilder::append(const Column& from, std::span<const int32_t> rows) {
  expect(from.type == type_, "append of another type");
  if (rows.empty()) return;
  // Rows are most often many in a row: a filter that keeps them all, or a sort of sorted input.
  const int64_t span = int64_t{rows.back()} - rows.front() + 1;
  if (span == static_cast<int64_t>(rows.size()) && std::is_sorted(rows.begin(), rows.end()) &&
      std::adjacent_find(rows.begin(), rows.end()) == rows.end()) {
    append(from, rows.front(), span);
    return;
  }
  if (is_variable(type_)) {
    size_t length = 0;
    for (const int32_t row : rows) length += from.text_at(row).size();
    if (length > kMaxText - text_.size()) throw_too_large();
    size_t end = text_.size();
    char* text = text_.extend(length) - end;
    char* out = values_.extend(rows.size() * sizeof(int32_t));
    for (const int32_t row : rows) {
      const std::string_view value = from.text_at(row);
      if (!value.empty()) std::memcpy(text + end, value.data(), value.size());
      end += value.size();
      const int32_t offset = static_cast<int32_t>(end);
      std::memcpy(out, &offset, sizeof offset);
      out += sizeof offset;
    }
  } else if (type_ == Type::kBool) {
    int64_t at = rows_;
    for (const int32_t row : rows) put_bit(values_, at++, from.bool_at(row));
  } else if (type_ == Type::kDate) {
    gather<int32_t>(values_, from.values, rows);
  } else {
    gather<int64_t>(values_, from.values, rows);
  }
  const auto is_null = [&from](int32_t row) { return from.is_null(row); };
  if (from.validity != nullptr && std::any_of(rows.begin(), rows.end(), is_null)) {
    if (!has_nulls_) start_validity();
    int64_t at = rows_;
    for (const int32_t row : rows) set_validity(at++, !from.is_null(row));
  } else if (has_nulls_) {
    put_ones(validity_, rows_, static_cast<int64_t>(rows.size()));
  }
  rows_ += static_cast<int64_t>(rows.size());
}

void ColumnBuilder::append_row(const Column& from, int64_t row) {
  if (from.is_null(row)) {
    put_null();
    return;
  }
  switch (type_) {
    case Type::kBool:
      put_bool(from.bool_at(row));
      break;
    case Type::kInt:
    case Type::kTimestamp:
      put_int(from.int_at(row));
      break;
    case Type::kFloat:
      put_float(from.float_at(row));
      break;
    case Type::kDate:
      put_date(from.date_at(row));
      break;
    case Type::kString:
    case Type::kBinary:
    case Type::kObject:
      put_text(from.text_at(row));
      break;
  }
}

void ColumnBuilder::truncate(int64_t rows) {
  if (is_variable(type_)) {
    // Also drops text of a row that was begun and not ended.
    if (rows > rows_) return;
    values_.resize(static_cast<size_t>(rows + 1) * sizeof(int32_t));
    int32_t end;
    std::memcpy(&end, values_.data() + static_cast<size_t>(rows) * sizeof end, sizeof end);
    text_.resize(static_cast<size_t>(end));
  } else {
    if (rows >= rows_) return;
    values_.resize(type_ == Type::kBool ? bitmap_bytes(rows)
                                        : static_cast<size_t>(rows) * value_size(type_));
  }
  rows_ = rows;
  if (rows_ == 0) has_nulls_ = false;
  if (has_nulls_) validity_.resize(bitmap_bytes(rows_));
}

void ColumnBuilder::throw_too_large() {
  throw Invalid("the text of one column in one batch passes 2 GiB");
}

void ColumnBuilder::set_validity(int64_t row, bool valid) { put_bit(validity_, row, valid); }

void ColumnBuilder::start_validity() {
  validity_.clear();
  put_ones(validity_, 0, rows_);
  has_nulls_ = true;
}

}  // namespace towpath
