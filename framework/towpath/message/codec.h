#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "towpath/base/handle.h"
#include "towpath/message/object.h"
#include "towpath/message/outgoing_names.h"
#include "towpath/message/type.h"

// C++ values as MessagePack. A struct takes part by naming its fields:
//
//   struct Point { int x, y; TOWPATH_FIELDS(x, y) };
//
// Integers, floats, bool, strings, enums, vectors, arrays, pairs, tuples, maps, optionals, Object,
// what is shared by name, and such structs (as arrays, in the order named) can be nested in any
// way.
//
// Errors     encoding: NotSerialisable. Decoding: Invalid, for bytes that are truncated, too deep,
//            too large, or of another shape than asked for. Never a crash, never an allocation
//            larger than the input justifies.
// Threads    one object, one thread.
// Source     https://github.com/msgpack/msgpack/blob/master/spec.md

namespace towpath {

inline constexpr size_t kMaxDepth = 128;

// Writes values one after another.
class Encoder {
 public:
  Encoder();
  Encoder(Encoder&&) noexcept;
  Encoder& operator=(Encoder&&) noexcept;
  ~Encoder();

  void nil();
  void boolean(bool value);
  void integer(int64_t value);
  void unsigned_integer(uint64_t value);
  void real(double value);
  void string(std::string_view value);
  void binary(std::string_view value);
  void array(size_t size);  // then that many values
  void map(size_t size);    // then that many keys and values in turn
  void object(const Object& value);
  // Appends bytes that are one encoded value already.
  void raw(std::string_view encoded);

  std::string_view bytes() const;
  std::string take();
  void clear();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads values one after another. Views returned point into the bytes given, which must outlive
// them.
class Decoder {
 public:
  enum class Kind { kNil, kBool, kInt, kUint, kFloat, kString, kBinary, kArray, kMap, kExtension };

  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  Kind peek() const;  // throws Invalid at the end
  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  void nil();
  bool boolean();
  int64_t integer();
  uint64_t unsigned_integer();
  double real();  // an integer is converted
  std::string_view string();
  std::string_view binary();
  size_t array();               // the number of values that follow
  void array(size_t expected);  // throws Invalid unless exactly that many follow
  size_t map();
  Object object();
  std::string_view raw();  // the bytes of one whole value
  void skip() { raw(); }

  // Held while the inside of a value is decoded by recursion: past kMaxDepth of them Invalid is
  // thrown.
  class Nested {
   public:
    explicit Nested(Decoder& in) : in_(in) {
      if (in_.depth_ >= kMaxDepth) throw_too_deep();
      ++in_.depth_;
    }
    ~Nested() { --in_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Decoder& in_;
  };

 private:
  [[noreturn]] static void throw_too_deep();
  void skip_value();

  std::string_view rest_;
  size_t depth_ = 0;
};

template <class T>
struct Codec;  // specialise for a type of your own that TOWPATH_FIELDS does not suit

template <class T>
void encode(Encoder& out, const T& value) {
  Codec<T>::write(out, value);
}
template <class T>
T decode(Decoder& in) {
  return Codec<T>::read(in);
}
template <class T>
std::string to_bytes(const T& value) {
  Encoder out;
  encode(out, value);
  return out.take();
}
template <class T>
T from_bytes(std::string_view bytes) {
  Decoder in(bytes);
  return decode<T>(in);
}

template <class T>
concept Sendable = requires(Encoder& out, Decoder& in, const T& value) {
  Codec<T>::write(out, value);
  { Codec<T>::read(in) } -> std::convertible_to<T>;
};

// Inside a struct: names its fields for MessagePack.
#define TOWPATH_FIELDS(...)                               \
  auto towpath_fields() { return std::tie(__VA_ARGS__); } \
  auto towpath_fields() const { return std::tie(__VA_ARGS__); }

template <class T>
concept HasFields = requires(T& value) {
  value.towpath_fields();
};

template <>
struct Codec<bool> {
  static void write(Encoder& out, bool value) { out.boolean(value); }
  static bool read(Decoder& in) { return in.boolean(); }
};

[[noreturn]] void throw_out_of_range(std::string_view type);

template <std::integral T>
struct Codec<T> {
  static void write(Encoder& out, T value) {
    if constexpr (std::unsigned_integral<T>) {
      out.unsigned_integer(value);
    } else {
      out.integer(value);
    }
  }
  static T read(Decoder& in) {
    if constexpr (std::unsigned_integral<T>) {
      const uint64_t value = in.unsigned_integer();
      if (!std::in_range<T>(value)) throw_out_of_range("unsigned integer");
      return static_cast<T>(value);
    } else {
      const int64_t value = in.integer();
      if (!std::in_range<T>(value)) throw_out_of_range("integer");
      return static_cast<T>(value);
    }
  }
};

// As its number. A function last_of(T) beside the enum, if there is one, names the greatest of its
// values: what lies past it is Invalid.
template <class T>
requires std::is_enum_v<T>
struct Codec<T> {
  using Number = std::underlying_type_t<T>;
  static void write(Encoder& out, T value) { encode(out, static_cast<Number>(value)); }
  static T read(Decoder& in) {
    const auto number = decode<Number>(in);
    if constexpr (requires { last_of(T{}); }) {
      if (std::cmp_less(number, 0) || std::cmp_greater(number, static_cast<Number>(last_of(T{})))) {
        throw_out_of_range("enumeration");
      }
    }
    return static_cast<T>(number);
  }
};

template <std::floating_point T>
struct Codec<T> {
  static void write(Encoder& out, T value) { out.real(static_cast<double>(value)); }
  static T read(Decoder& in) { return static_cast<T>(in.real()); }
};

template <>
struct Codec<std::string> {
  static void write(Encoder& out, const std::string& value) { out.string(value); }
  static std::string read(Decoder& in) { return std::string(in.string()); }
};

template <>
struct Codec<std::nullptr_t> {
  static void write(Encoder& out, std::nullptr_t) { out.nil(); }
  static std::nullptr_t read(Decoder& in) {
    in.nil();
    return nullptr;
  }
};

template <>
struct Codec<Object> {
  static void write(Encoder& out, const Object& value) { out.object(value); }
  static Object read(Decoder& in) { return in.object(); }
};

template <Sendable T>
struct Codec<std::vector<T>> {
  static void write(Encoder& out, const std::vector<T>& values) {
    out.array(values.size());
    for (const T& value : values) encode(out, value);
  }
  static std::vector<T> read(Decoder& in) {
    std::vector<T> values;
    const size_t size = in.array();  // bounded: each value takes at least one byte of the input
    values.reserve(std::min<size_t>(size, 1024));  // but a T may be much larger than its bytes
    for (size_t i = 0; i < size; ++i) values.push_back(decode<T>(in));
    return values;
  }
};

template <Sendable T, size_t N>
struct Codec<std::array<T, N>> {
  static void write(Encoder& out, const std::array<T, N>& values) {
    out.array(N);
    for (const T& value : values) encode(out, value);
  }
  static std::array<T, N> read(Decoder& in) {
    in.array(N);
    std::array<T, N> values;
    for (T& value : values) value = decode<T>(in);
    return values;
  }
};

template <Sendable T>
struct Codec<std::optional<T>> {
  static void write(Encoder& out, const std::optional<T>& value) {
    if (value) {
      encode(out, *value);
    } else {
      out.nil();
    }
  }
  static std::optional<T> read(Decoder& in) {
    if (in.peek() == Decoder::Kind::kNil) {
      in.nil();
      return std::nullopt;
    }
    return decode<T>(in);
  }
};

template <Sendable K, Sendable V>
struct Codec<std::map<K, V>> {
  static void write(Encoder& out, const std::map<K, V>& values) {
    out.map(values.size());
    for (const auto& [key, value] : values) {
      encode(out, key);
      encode(out, value);
    }
  }
  static std::map<K, V> read(Decoder& in) {
    std::map<K, V> values;
    for (size_t left = in.map(); left > 0; --left) {
      K key = decode<K>(in);
      values.insert_or_assign(std::move(key), decode<V>(in));
    }
    return values;
  }
};

template <Sendable A, Sendable B>
struct Codec<std::pair<A, B>> {
  static void write(Encoder& out, const std::pair<A, B>& value) {
    out.array(2);
    encode(out, value.first);
    encode(out, value.second);
  }
  static std::pair<A, B> read(Decoder& in) {
    in.array(2);
    A first = decode<A>(in);
    return {std::move(first), decode<B>(in)};
  }
};

template <Sendable... T>
struct Codec<std::tuple<T...>> {
  static void write(Encoder& out, const std::tuple<T...>& values) {
    out.array(sizeof...(T));
    std::apply([&out](const T&... each) { (encode(out, each), ...); }, values);
  }
  static std::tuple<T...> read(Decoder& in) {
    in.array(sizeof...(T));
    return std::tuple<T...>{decode<T>(in)...};  // braces: evaluated left to right
  }
};

template <HasFields T>
struct Codec<T> {
  static void write(Encoder& out, const T& value) {
    std::apply(
        [&out](const auto&... each) {
          out.array(sizeof...(each));
          (encode(out, each), ...);
        },
        value.towpath_fields());
  }
  static T read(Decoder& in) {
    const Decoder::Nested nested(in);  // a struct may hold a vector of its own kind
    T value{};
    std::apply(
        [&in](auto&... each) {
          in.array(sizeof...(each));
          ((each = decode<std::remove_cvref_t<decltype(each)>>(in)), ...);
        },
        value.towpath_fields());
    return value;
  }
};

// What is shared by name travels as its name, and is opened where it arrives. Closed: it is gone.
template <HasHandle T>
struct Codec<T> {
  static void write(Encoder& out, const T& value) {
    out.string(value.handle().text());
    if constexpr (std::copy_constructible<T>) OutgoingNames::note(value);
  }
  static T read(Decoder& in) { return T::open(Handle::parse(in.string())); }
};

template <>
struct Codec<Field> {
  static void write(Encoder& out, const Field& field) {
    out.array(2);
    out.string(field.name);
    out.integer(static_cast<int64_t>(field.type));
  }
  static Field read(Decoder& in);  // Invalid for a type that does not exist
};

}  // namespace towpath
