#include "towpath/message/codec.h"

#include <cstring>
#include <limits>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

// Of a long double of x86 the rest is padding.
constexpr size_t kLongDoubleBytes =
    std::numeric_limits<long double>::digits == 64 ? 10 : sizeof(long double);

}  // namespace

void throw_out_of_range(std::string_view type) {
  throw Invalid(format("a number is out of range of its {} type", type));
}

void Codec<long double>::write(Encoder& out, long double value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.binary({bytes, kLongDoubleBytes});
}

long double Codec<long double>::read(Decoder& in) {
  const std::string_view bytes = in.binary();
  if (bytes.size() != kLongDoubleBytes) {
    throw Invalid(format("a long double has {} bytes here, MessagePack data holds one of {}",
                         kLongDoubleBytes, bytes.size()));
  }
  long double value = 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

void throw_twice_in_set() { throw Invalid("MessagePack data holds a value twice in one set"); }

void throw_no_alternative(uint64_t index, size_t alternatives) {
  throw Invalid(format("MessagePack data names alternative {} of a variant that has {}, from 0",
                       index, alternatives));
}

void throw_valueless() {
  throw NotSerialisable("a variant that holds no value, because an assignment to it has thrown");
}

Field Codec<Field>::read(Decoder& in) {
  in.array(2);
  std::string name(in.string());
  const int64_t type = in.integer();
  if (type < 0 || type > static_cast<int64_t>(Type::kObject)) {
    throw Invalid(format("column \"{}\" has type {}, which does not exist", name, type));
  }
  return {std::move(name), static_cast<Type>(type)};
}

}  // namespace towpath
