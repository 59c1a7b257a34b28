#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "towpath/base/handle.h"
#include "towpath/message/object.h"
#include "towpath/message/outgoing_names.h"
#include "towpath/message/type.h"

// C++ values as MessagePack. A struct takes part by naming its fields:
//
//   struct Point { int x, y; TOWPATH_FIELDS(x, y) };
//
// These travel, nested in any way:
//
//   bool, integers, characters and enums  as integers
//   float, double                         as floats; a long double as a binary of its bytes
//   std::string, filesystem::path         as strings
//   vector, deque, list, array            as arrays; other strings, of their characters, too
//   set, unordered_set, multiset          as arrays. Twice the same in a set: Invalid
//   map, unordered_map, multimap          as maps. Twice the same key in a map: the last counts
//   pair, tuple, std::complex             as arrays
//   optional, monostate, nullptr_t        as nil, an optional that has a value as that
//   variant                               as an array: which alternative, from 0, and its value
//   durations and time points of chrono   as how many of their units (since their clock's epoch)
//   Object                                as what it holds
//   structs with TOWPATH_FIELDS           as arrays of their fields, in the order named
//   what is shared by name                as its name: locks, queues, shared memory, ...
//
// Of another type the compiler says so, by CanTravel. Pointers are not followed, so that nothing
// arrives twice or not at all.
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
  // What is written goes to `drain`, some 1 MiB at a time; the rest is in bytes().
  explicit Encoder(std::function<void(std::string_view)> drain);
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
concept Sendable = requires(Encoder& out, Decoder& in, const T& value) {
  Codec<T>::write(out, value);
  { Codec<T>::read(in) } -> std::convertible_to<T>;
};

// Asks for Sendable<T> so that the compiler's error names T and says what is to be done. Whatever
// takes a type that is to travel says `static_assert(CanTravel<T>::kAsked)`.
template <class T>
struct CanTravel {
  static_assert(
      Sendable<T>,
      "this type can't travel to another process. What can: bool, numbers, characters, enums, "
      "std::string, standard containers, pair, tuple, optional, variant, chrono's durations and "
      "time points, filesystem::path, towpath::Object; locks, queues, connections, shared memory "
      "and such; and containers of these. A struct of yours can once its public part says "
      "TOWPATH_FIELDS(its, fields); any type once you specialise towpath::Codec. Pointers, views, "
      "C arrays, std::function and open files can't: send what they show");
  static constexpr bool kAsked = true;

  // What encode() and decode() use: one error is enough.
  struct None {
    static void write(Encoder&, const T&) {}
    static T read(Decoder&);
  };
  using How = std::conditional_t<Sendable<T>, Codec<T>, None>;
};

template <class T>
void encode(Encoder& out, const T& value) {
  CanTravel<T>::How::write(out, value);
}
template <class T>
T decode(Decoder& in) {
  return CanTravel<T>::How::read(in);
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

// As its number: also a character, whose type no comparison of integers takes.
template <std::integral T>
requires(sizeof(T) <= sizeof(int64_t)) struct Codec<T> {
  using Number =
      std::conditional_t<std::is_signed_v<T>, std::make_signed_t<T>, std::make_unsigned_t<T>>;
  static void write(Encoder& out, T value) {
    if constexpr (std::is_unsigned_v<T>) {
      out.unsigned_integer(value);
    } else {
      out.integer(value);
    }
  }
  static T read(Decoder& in) {
    if constexpr (std::is_unsigned_v<T>) {
      const uint64_t value = in.unsigned_integer();
      if (!std::in_range<Number>(value)) throw_out_of_range("unsigned integer");
      return static_cast<T>(value);
    } else {
      const int64_t value = in.integer();
      if (!std::in_range<Number>(value)) throw_out_of_range("integer");
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
      // +: a character is compared as an int.
      if (std::cmp_less(+number, 0) ||
          std::cmp_greater(+number, +static_cast<Number>(last_of(T{})))) {
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
struct Codec<long double> {
  static void write(Encoder& out, long double value);
  static long double read(Decoder& in);  // Invalid when its bytes are not of this processor's kind
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
    constexpr bool kConst = []<class... F>(std::type_identity<std::tuple<F...>>) {
      return (std::is_const_v<std::remove_reference_t<F>> || ...);
    }(std::type_identity<decltype(std::declval<T&>().towpath_fields())>());
    static_assert(
        !kConst,
        "a struct whose TOWPATH_FIELDS name a const member can't be filled in where it "
        "arrives: make the member non-const, or specialise towpath::Codec for the struct");
    static_assert(
        std::is_default_constructible_v<T> || kConst,
        "a struct with TOWPATH_FIELDS needs a default constructor: where it arrives it is "
        "made first and then filled in. Give its members initial values and it a "
        "constructor without arguments, or specialise towpath::Codec for it");
    if constexpr (!kConst && std::is_default_constructible_v<T>) {
      const Decoder::Nested nested(in);  // a struct may hold a vector of its own kind
      T value{};
      std::apply(
          [&in](auto&... each) {
            in.array(sizeof...(each));
            ((each = decode<std::remove_cvref_t<decltype(each)>>(in)), ...);
          },
          value.towpath_fields());
      return value;
    } else {
      throw_out_of_range("struct");  // never: this does not compile
    }
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

// The standard containers and what else has a shape to be known by. Here, so that whoever asks
// whether a type is Sendable sees all of it.
#include "towpath/message/containers.h"
