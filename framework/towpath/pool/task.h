#pragma once
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "towpath/process/target.h"

// How a call of a function travels to a pool's worker, and its result back: both as MessagePack,
// read and written by a thunk that knows the types, with no Object in between.

namespace towpath::pool {

// Reads the arguments of one call, calls, appends the result. Arguments are one value: a single one
// as it is, others in an array.
using Thunk = void (*)(Call::Function, Decoder& arguments, Encoder& result);

// What a task runs. One function may have several thunks, by the types it is called with.
struct Code {
  Call::Function function = nullptr;
  Thunk thunk = nullptr;
  bool operator==(const Code&) const = default;
};

// What holds a result while it travels.
template <class R>
using Held = std::conditional_t<std::is_void_v<R>, std::monostate, std::decay_t<R>>;

template <class R, class... P>
void invoke(Call::Function function, Decoder& in, Encoder& out) {
  if constexpr (sizeof...(P) != 1) in.array(sizeof...(P));
  std::tuple<call::Stored<P>...> values{decode<call::Stored<P>>(in)...};  // braces: left to right
  const auto run = [function](auto&... value) -> decltype(auto) {
    return reinterpret_cast<R (*)(P...)>(function)(call::handed_over<P>(value)...);
  };
  if constexpr (std::is_void_v<R>) {
    std::apply(run, values);
    out.nil();
  } else {
    encode(out, static_cast<const std::decay_t<R>&>(std::apply(run, values)));
  }
}

// The signature of a target.
template <class F>
struct Signature : Signature<decltype(+std::declval<F>())> {};
template <class R, class... P>
struct Signature<R (*)(P...)> {
  using Result = Held<R>;
  static constexpr size_t kParameters = sizeof...(P);
  static_assert(
      (Sendable<call::Stored<P>> && ...),
      "a parameter's type can't travel as MessagePack: give it TOWPATH_FIELDS or a Codec");
  static_assert(std::is_void_v<R> || Sendable<std::decay_t<R>>,
                "the result's type can't travel as MessagePack: give it TOWPATH_FIELDS or a Codec");

  static Code code(R (*function)(P...)) {
    return {reinterpret_cast<Call::Function>(function), &invoke<R, P...>};
  }

  template <class... A>
  static void encode_arguments(Encoder& out, A&&... args) {
    static_assert(sizeof...(A) == sizeof...(P), "the target takes another number of arguments");
    if constexpr (sizeof...(P) != 1) out.array(sizeof...(P));
    (encode_as<call::Stored<P>>(out, std::forward<A>(args)), ...);
  }

 private:
  template <class T, class A>
  static void encode_as(Encoder& out, A&& value) {
    if constexpr (std::is_same_v<T, std::remove_cvref_t<A>>) {
      encode(out, static_cast<const T&>(value));  // as it is, without a copy
    } else {
      encode(out, static_cast<const T&>(T(std::forward<A>(value))));
    }
  }
};

template <class F>
using ResultOfTarget = typename Signature<std::decay_t<F>>::Result;

// Decodes a result that invoke() has written.
template <class T>
T decode_result(Decoder& in) {
  if constexpr (std::is_same_v<T, std::monostate>) {
    in.nil();
    return {};
  } else {
    return decode<T>(in);
  }
}

}  // namespace towpath::pool
