#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "towpath/message/codec.h"

// Part of codec.h, which includes it and lists what travels. Containers, durations and paths are
// known by their shape: so their headers are not included for whoever uses none, and those of other
// libraries, of the same shape, travel too. A type's own TOWPATH_FIELDS or Codec go first.

namespace towpath {

[[noreturn]] void throw_twice_in_set();
[[noreturn]] void throw_no_alternative(uint64_t index, size_t alternatives);
[[noreturn]] void throw_valueless();

namespace codecs {

template <class T>
concept Container =
    !HasFields<T> && !HasHandle<T> && std::default_initializable<T> && requires(const T& all) {
  typename T::value_type;
  requires !std::same_as<typename T::value_type, T>;
  all.begin() != all.end();
  { all.size() } -> std::convertible_to<size_t>;
};

template <class T>
concept Sequence = Container<T> && requires(T& all, typename T::value_type&& one) {
  all.push_back(std::move(one));
} && Sendable<typename T::value_type>;

template <class T>
concept Set = Container<T> && requires(T& all, typename T::value_type&& one) {
  requires std::same_as<typename T::key_type, typename T::value_type>;
  all.insert(std::move(one));
} && Sendable<typename T::value_type>;

template <class T>
concept Map = Container<T> &&
    requires(T& all, typename T::key_type&& key, typename T::mapped_type&& value) {
  all.emplace(std::move(key), std::move(value));
} && Sendable<typename T::key_type> && Sendable<typename T::mapped_type>;

template <class T>
concept Duration = requires(const T& value) {
  typename T::period;
  { value.count() } -> std::same_as<typename T::rep>;
}
&&Sendable<typename T::rep>;

template <class T>
concept TimePoint = requires(const T& value) {
  typename T::clock;
  { value.time_since_epoch() } -> std::same_as<typename T::duration>;
}
&&Duration<typename T::duration>;

template <class T>
concept Path = requires(const T& value) {
  { value.native() } -> std::same_as<const std::string&>;
  { value.root_directory() } -> std::same_as<T>;
};

template <class T>
concept Complex = requires(const T& value) {
  requires std::floating_point<typename T::value_type>;
  { value.real() } -> std::same_as<typename T::value_type>;
  { value.imag() } -> std::same_as<typename T::value_type>;
};

template <Container T>
void write_values(Encoder& out, const T& values) {
  out.array(values.size());
  for (const typename T::value_type& value : values) encode(out, value);
}

}  // namespace codecs

template <codecs::Sequence T>
struct Codec<T> {
  using Value = typename T::value_type;
  static void write(Encoder& out, const T& values) { codecs::write_values(out, values); }
  static T read(Decoder& in) {
    T values;
    const size_t size = in.array();  // bounded: each value takes at least one byte of the input
    if constexpr (requires { values.reserve(size); }) {
      values.reserve(std::min<size_t>(size, 1024));  // but one may be much larger than its bytes
    }
    for (size_t i = 0; i < size; ++i) values.push_back(decode<Value>(in));
    return values;
  }
};

template <codecs::Set T>
struct Codec<T> {
  using Value = typename T::value_type;
  static void write(Encoder& out, const T& values) { codecs::write_values(out, values); }
  static T read(Decoder& in) {
    T values;
    for (size_t left = in.array(); left > 0; --left) {
      const auto inserted = values.insert(decode<Value>(in));
      if constexpr (requires { bool{inserted.second}; }) {  // else it is a multiset
        if (!inserted.second) throw_twice_in_set();
      }
    }
    return values;
  }
};

template <codecs::Map T>
struct Codec<T> {
  using Key = typename T::key_type;
  using Value = typename T::mapped_type;
  static void write(Encoder& out, const T& values) {
    out.map(values.size());
    for (const auto& [key, value] : values) {
      encode(out, key);
      encode(out, value);
    }
  }
  static T read(Decoder& in) {
    T values;
    for (size_t left = in.map(); left > 0; --left) {
      Key key = decode<Key>(in);
      if constexpr (requires { values.insert_or_assign(std::move(key), decode<Value>(in)); }) {
        values.insert_or_assign(std::move(key), decode<Value>(in));
      } else {
        values.emplace(std::move(key), decode<Value>(in));
      }
    }
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

template <>
struct Codec<std::monostate> {
  static void write(Encoder& out, std::monostate) { out.nil(); }
  static std::monostate read(Decoder& in) {
    in.nil();
    return {};
  }
};

template <Sendable... T>
struct Codec<std::variant<T...>> {
  using Variant = std::variant<T...>;
  static void write(Encoder& out, const Variant& value) {
    if (value.valueless_by_exception()) throw_valueless();
    out.array(2);
    out.unsigned_integer(value.index());
    std::visit([&out](const auto& held) { encode(out, held); }, value);
  }
  static Variant read(Decoder& in) {
    in.array(2);
    const uint64_t index = in.unsigned_integer();
    return [&]<size_t... I>(std::index_sequence<I...>) {
      std::optional<Variant> value;
      (void)((I == index && (value.emplace(std::in_place_index<I>, decode<T>(in)), true)) || ...);
      if (!value) throw_no_alternative(index, sizeof...(T));
      return *std::move(value);
    }
    (std::index_sequence_for<T...>());
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

template <codecs::Duration T>
struct Codec<T> {
  static void write(Encoder& out, const T& value) { encode(out, value.count()); }
  static T read(Decoder& in) { return T(decode<typename T::rep>(in)); }
};

template <codecs::TimePoint T>
struct Codec<T> {
  static void write(Encoder& out, const T& value) { encode(out, value.time_since_epoch()); }
  static T read(Decoder& in) { return T(decode<typename T::duration>(in)); }
};

template <codecs::Path T>
struct Codec<T> {
  static void write(Encoder& out, const T& value) { out.string(value.native()); }
  static T read(Decoder& in) { return T(std::string(in.string())); }
};

template <codecs::Complex T>
struct Codec<T> {
  using Part = typename T::value_type;
  static void write(Encoder& out, const T& value) {
    encode(out, std::pair<Part, Part>(value.real(), value.imag()));
  }
  static T read(Decoder& in) {
    const auto [real, imaginary] = decode<std::pair<Part, Part>>(in);
    return T(real, imaginary);
  }
};

}  // namespace towpath
