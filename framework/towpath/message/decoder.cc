#include <algorithm>
#include <bit>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/codec.h"

// Our own reader of headers: msgpack-c parses whole values into its visitor, with a heap-allocated
// stack for each; it can't stop behind an array's header, and we want views and no allocation.

namespace towpath {
namespace {

[[noreturn]] void throw_truncated() {
  throw Invalid("MessagePack data ends in the middle of a value");
}

std::string_view kind_name(Decoder::Kind kind) {
  static constexpr std::string_view kKinds[] = {"nil",   "bool",     "int",    "unsigned int",
                                                "float", "string",   "binary", "array",
                                                "map",   "extension"};
  return kKinds[static_cast<size_t>(kind)];
}

[[noreturn]] void throw_unexpected(std::string_view wanted, Decoder::Kind found) {
  throw Invalid(
      format("MessagePack data holds {} where {} was expected", kind_name(found), wanted));
}

// What stands at the front of some bytes.
struct Head {
  Decoder::Kind kind;
  size_t size;      // of the head itself, number included
  uint64_t number;  // value (as bits) of bool, int, float; bytes of string, binary, extension;
                    // values of an array; pairs of a map
};

static_assert(std::endian::native == std::endian::little);

template <class Number>
Number load(const char* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}

// `size`: 0, 1, 2, 4 or 8.
uint64_t big_endian(const char* bytes, size_t size) {
  switch (size) {
    case 0:
      return 0;
    case 1:
      return load<uint8_t>(bytes);
    case 2:
      return __builtin_bswap16(load<uint16_t>(bytes));
    case 4:
      return __builtin_bswap32(load<uint32_t>(bytes));
    default:
      return __builtin_bswap64(load<uint64_t>(bytes));
  }
}

Head read_head(std::string_view bytes) {
  using Kind = Decoder::Kind;
  if (bytes.empty()) throw_truncated();
  const auto first = static_cast<uint8_t>(bytes[0]);
  if (first < 0x80) return {Kind::kInt, 1, first};
  if (first < 0x90) return {Kind::kMap, 1, first & 0x0fu};
  if (first < 0xa0) return {Kind::kArray, 1, first & 0x0fu};
  if (first < 0xc0) return {Kind::kString, 1, first & 0x1fu};
  if (first >= 0xe0) return {Kind::kInt, 1, static_cast<uint64_t>(static_cast<int8_t>(first))};

  // Bytes of the number behind each of 0xc0 to 0xdf.
  static constexpr uint8_t kNumberSize[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
                                              1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
  const size_t width = kNumberSize[first - 0xc0];
  if (bytes.size() < 1 + width) throw_truncated();
  const uint64_t number = big_endian(bytes.data() + 1, width);
  const size_t size = 1 + width;
  switch (first) {
    case 0xc0:
      return {Kind::kNil, size, 0};
    case 0xc1:
      throw Invalid("MessagePack data holds the byte 0xc1, which begins no value");
    case 0xc2:
    case 0xc3:
      return {Kind::kBool, size, first & 1u};
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return {Kind::kBinary, size, number};
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return {Kind::kExtension, size, number + 1};  // one byte more: the extension's type
    case 0xca:
      return {Kind::kFloat, size,
              std::bit_cast<uint64_t>(
                  static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(number))))};
    case 0xcb:
      return {Kind::kFloat, size, number};
    case 0xcc:
    case 0xcd:
    case 0xce:
      return {Kind::kInt, size, number};
    case 0xcf:
      return {number >> 63 ? Kind::kUint : Kind::kInt, size, number};
    case 0xd0:
      return {Kind::kInt, size, static_cast<uint64_t>(static_cast<int8_t>(number))};
    case 0xd1:
      return {Kind::kInt, size, static_cast<uint64_t>(static_cast<int16_t>(number))};
    case 0xd2:
      return {Kind::kInt, size, static_cast<uint64_t>(static_cast<int32_t>(number))};
    case 0xd3:
      return {Kind::kInt, size, number};
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return {Kind::kExtension, size, (uint64_t{1} << (first - 0xd4)) + 1};
    case 0xd9:
    case 0xda:
    case 0xdb:
      return {Kind::kString, size, number};
    case 0xdc:
    case 0xdd:
      return {Kind::kArray, size, number};
    default:  // 0xde, 0xdf
      return {Kind::kMap, size, number};
  }
}

// Values that a container's head promises; each takes at least one byte of what follows.
size_t values_within(const Head& head, std::string_view bytes) {
  const uint64_t values = head.kind == Decoder::Kind::kMap ? head.number * 2 : head.number;
  if (values > bytes.size() - head.size) throw_truncated();
  return static_cast<size_t>(values);
}

// The bytes of a string, binary or extension, removed from the front together with their head.
std::string_view take_body(const Head& head, std::string_view& bytes) {
  if (head.number > bytes.size() - head.size) throw_truncated();
  const std::string_view body = bytes.substr(head.size, static_cast<size_t>(head.number));
  bytes.remove_prefix(head.size + body.size());
  return body;
}

}  // namespace

Decoder::Kind Decoder::peek() const { return read_head(rest_).kind; }

void Decoder::nil() {
  const Head head = read_head(rest_);
  if (head.kind != Kind::kNil) throw_unexpected("nil", head.kind);
  rest_.remove_prefix(head.size);
}

bool Decoder::boolean() {
  const Head head = read_head(rest_);
  if (head.kind != Kind::kBool) throw_unexpected("bool", head.kind);
  rest_.remove_prefix(head.size);
  return head.number != 0;
}

int64_t Decoder::integer() {
  const Head head = read_head(rest_);
  if (head.kind != Kind::kInt) throw_unexpected("int", head.kind);
  rest_.remove_prefix(head.size);
  return static_cast<int64_t>(head.number);
}

uint64_t Decoder::unsigned_integer() {
  const Head head = read_head(rest_);
  if (head.kind != Kind::kUint) {
    if (head.kind != Kind::kInt) throw_unexpected("unsigned int", head.kind);
    if (static_cast<int64_t>(head.number) < 0) throw_out_of_range("unsigned integer");
  }
  rest_.remove_prefix(head.size);
  return head.number;
}

double Decoder::real() {
  const Head head = read_head(rest_);
  double value = 0;
  if (head.kind == Kind::kFloat) {
    value = std::bit_cast<double>(head.number);
  } else if (head.kind == Kind::kInt) {
    value = static_cast<double>(static_cast<int64_t>(head.number));
  } else if (head.kind == Kind::kUint) {
    value = static_cast<double>(head.number);
  } else {
    throw_unexpected("float", head.kind);
  }
  rest_.remove_prefix(head.size);
  return value;
}

std::string_view Decoder::string() {
  const Head head = read_head(rest_);
  if (head.kind != Kind::kString) throw_unexpected("string", head.kind);
  return take_body(head, rest_);
}

std::string_view Decoder::binary() {
  const Head head = read_head(rest_);
  if (head.kind != Kind::kBinary) throw_unexpected("binary", head.kind);
  return take_body(head, rest_);
}

size_t Decoder::array() {
  const Head head = read_head(rest_);
  if (head.kind != Kind::kArray) throw_unexpected("array", head.kind);
  const size_t values = values_within(head, rest_);
  rest_.remove_prefix(head.size);
  return values;
}

void Decoder::array(size_t expected) {
  const size_t found = array();
  if (found != expected) {
    throw Invalid(
        format("MessagePack data holds {} values where {} were expected", found, expected));
  }
}

size_t Decoder::map() {
  const Head head = read_head(rest_);
  if (head.kind != Kind::kMap) throw_unexpected("map", head.kind);
  const size_t values = values_within(head, rest_);
  rest_.remove_prefix(head.size);
  return values / 2;
}

Object Decoder::object() {
  const Head head = read_head(rest_);
  switch (head.kind) {
    case Kind::kString:
      return Object(take_body(head, rest_));
    case Kind::kBinary:
      return Object(Object::Binary{std::string(take_body(head, rest_))});
    case Kind::kExtension:
      throw Invalid("MessagePack data holds an extension value; there is no such Object");
    default:
      break;
  }
  // What a claimed size may reserve at once: a value takes one byte at least, but an Object forty.
  constexpr size_t kMaxReserve = 64;
  if (head.kind == Kind::kArray) {
    const Nested nested(*this);
    Object::Array values;
    size_t left = array();
    for (values.reserve(std::min(left, kMaxReserve)); left > 0; --left) values.push_back(object());
    return Object(std::move(values));
  }
  if (head.kind == Kind::kMap) {
    const Nested nested(*this);
    Object::Map pairs;
    size_t left = map();
    for (pairs.reserve(std::min(left, kMaxReserve)); left > 0; --left) {
      Object key = object();
      pairs.emplace_back(std::move(key), object());
    }
    return Object(std::move(pairs));
  }
  rest_.remove_prefix(head.size);
  switch (head.kind) {
    case Kind::kBool:
      return Object(head.number != 0);
    case Kind::kInt:
      return Object(static_cast<int64_t>(head.number));
    case Kind::kUint:
      return Object(head.number);
    case Kind::kFloat:
      return Object(std::bit_cast<double>(head.number));
    default:
      return Object();
  }
}

std::string_view Decoder::raw() {
  const std::string_view before = rest_;
  skip_value();
  return before.substr(0, before.size() - rest_.size());
}

// However deep: what can be encoded can be passed over.
void Decoder::skip_value() {
  for (size_t left = 1; left > 0; --left) {
    const Head head = read_head(rest_);
    switch (head.kind) {
      case Kind::kString:
      case Kind::kBinary:
      case Kind::kExtension:
        take_body(head, rest_);
        break;
      case Kind::kArray:
      case Kind::kMap:
        left += values_within(head, rest_);
        rest_.remove_prefix(head.size);
        break;
      default:
        rest_.remove_prefix(head.size);
    }
  }
}

void Decoder::throw_too_deep() {
  throw Invalid(format("MessagePack data is nested deeper than {}", kMaxDepth));
}

}  // namespace towpath
