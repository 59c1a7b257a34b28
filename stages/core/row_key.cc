#include "stages/core/row_key.h"

#include <bit>
#include <cmath>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath::core {
namespace {

constexpr char kNull = 0;
constexpr char kValue = 1;
constexpr uint64_t kSign = uint64_t{1} << 63;

void append_big_endian(uint64_t value, std::string& out) {
  const uint64_t turned = __builtin_bswap64(value);
  out.append(reinterpret_cast<const char*>(&turned), sizeof turned);
}
uint64_t read_big_endian(const char* bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return __builtin_bswap64(value);
}

// IEEE's bits order like integers once negative numbers are turned over.
uint64_t ordered(double value) {
  if (std::isnan(value)) return ~uint64_t{0};
  const auto bits = std::bit_cast<uint64_t>(value == 0 ? 0.0 : value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}
double from_ordered(uint64_t bits) {
  if (bits == ~uint64_t{0}) return std::nan("");
  return std::bit_cast<double>((bits & kSign) != 0 ? bits ^ kSign : ~bits);
}

// A zero byte becomes 00 FF and the end 00 00: so no text is a prefix of another, and the order
// stays.
void append_closed(std::string_view text, std::string& out) {
  for (;;) {
    const size_t zero = text.find('\0');
    out.append(text.substr(0, zero));
    if (zero == text.npos) break;
    out.append("\0\xff", 2);
    text.remove_prefix(zero + 1);
  }
  out.append("\0\0", 2);
}

void turn(std::string& bytes, size_t from) {
  for (size_t i = from; i < bytes.size(); ++i) bytes[i] = static_cast<char>(~bytes[i]);
}

}  // namespace

void append_ordered(const Column& column, int64_t row, bool open, std::string& out) {
  switch (column.type) {
    case Type::kBool:
      out.push_back(column.bool_at(row) ? 1 : 0);
      return;
    case Type::kInt:
    case Type::kTimestamp:
      append_big_endian(static_cast<uint64_t>(column.int_at(row)) ^ kSign, out);
      return;
    case Type::kFloat:
      append_big_endian(ordered(column.float_at(row)), out);
      return;
    case Type::kDate:
      append_big_endian(static_cast<uint64_t>(int64_t{column.date_at(row)}) ^ kSign, out);
      return;
    case Type::kString:
    case Type::kBinary:
    case Type::kObject:
      if (open) {
        out.append(column.text_at(row));
      } else {
        append_closed(column.text_at(row), out);
      }
      return;
  }
}

std::vector<Type> RowKey::types() {
  return {Type::kString, Type::kInt,  Type::kFloat,    Type::kBool,
          Type::kBinary, Type::kDate, Type::kTimestamp};
}

std::vector<SortKey> RowKey::ascending(const std::vector<std::string>& columns) {
  std::vector<SortKey> parts;
  for (const std::string& column : columns) parts.push_back({column, false});
  return parts;
}

RowKey::RowKey(const Schema& input, std::vector<SortKey> parts) : parts_(std::move(parts)) {
  for (size_t i = 0; i < parts_.size(); ++i) {
    const SortKey& part = parts_[i];
    const int at = find_field(input, part.column);
    if (at < 0) {
      throw Invalid(format("there is no column \"{}\" in {}", part.column, show_schema(input)));
    }
    const Type type = input[static_cast<size_t>(at)].type;
    if (type == Type::kObject) {
      throw Invalid(format("column \"{}\" holds objects, which have no order", part.column));
    }
    const bool open = i + 1 == parts_.size() && !part.descending;
    bound_.push_back({type, part.descending, open, {}});
  }
}

void RowKey::bind(const Batch& in) {
  for (size_t i = 0; i < parts_.size(); ++i) bound_[i].column = in.column(parts_[i].column);
}

void RowKey::append(int64_t row, std::string& out) const {
  for (const Bound& part : bound_) {
    const size_t from = out.size();
    if (part.column.is_null(row)) {
      out.push_back(kNull);
    } else {
      out.push_back(kValue);
      append_ordered(part.column, row, part.open, out);
    }
    if (part.descending) turn(out, from);
  }
}

void RowKey::put(std::string_view key, std::span<ColumnBuilder* const> columns) const {
  std::string turned;
  std::string text;
  for (size_t i = 0; i < bound_.size(); ++i) {
    const Bound& part = bound_[i];
    ColumnBuilder& out = *columns[i];
    if (part.descending) {
      turned.assign(key);
      turn(turned, 0);
    }
    const std::string_view rest = part.descending ? std::string_view(turned) : key;
    size_t used = 1;
    if (rest[0] == kNull) {
      out.put_null();
    } else if (part.type == Type::kBool) {
      out.put_bool(rest[1] != 0);
      used += 1;
    } else if (part.open && is_variable(part.type)) {
      out.put_text(rest.substr(1));
      used = rest.size();
    } else if (is_variable(part.type)) {
      text.clear();
      for (; rest[used] != 0 || rest[used + 1] != 0; ++used) {
        text.push_back(rest[used]);
        if (rest[used] == 0) ++used;
      }
      used += 2;
      out.put_text(text);
    } else {
      const uint64_t bits = read_big_endian(rest.data() + 1);
      used += sizeof bits;
      if (part.type == Type::kFloat) {
        out.put_float(from_ordered(bits));
      } else if (part.type == Type::kDate) {
        out.put_date(static_cast<int32_t>(static_cast<int64_t>(bits ^ kSign)));
      } else {
        out.put_int(static_cast<int64_t>(bits ^ kSign));
      }
    }
    key.remove_prefix(used);
  }
}

}  // namespace towpath::core
