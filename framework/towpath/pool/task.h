#pragma once
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "towpath/process/target.h"

// How a call of a function travels to a pool's worker, and its result back: both as MessagePack,
// read and written by a thunk that knows the types, with no Object in between.

namespace towpath::pools {

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
  std::tuple<calls::Stored<P>...> values{decode<calls::Stored<P>>(in)...};  // braces: left to right
  const auto run = [function](auto&... value) -> decltype(auto) {
    return reinterpret_cast<R (*)(P...)>(function)(calls::handed_over<P>(value)...);
  };
  if constexpr (std::is_void_v<R>) {
    std::apply(run, values);
    out.nil();
  } else {
    encode(out, static_cast<const std::decay_t<R>&>(std::apply(run, values)));
  }
}

// What a target returns.
template <class F>
using ResultOf = std::decay_t<typename calls::Signature<F>::Result>;
template <class F>
using HeldOf = Held<ResultOf<F>>;

template <class R, class... P>
Code code_at(R (*function)(P...)) {
  return {reinterpret_cast<Call::Function>(function), &invoke<R, P...>};
}
template <class F>
Code code_of(F function) {
  static_assert(calls::CanBeTarget<F>::kAsked);
  if constexpr (Target<F>) {
    return code_at(+function);
  } else {
    return {};
  }
}

template <class F, class... A>
void encode_arguments(Encoder& out, A&&... args) {
  if constexpr (calls::Signature<F>::kParameters != 1) out.array(sizeof...(A));
  calls::Signature<F>::encode_arguments(out, std::forward<A>(args)...);
}

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

}  // namespace towpath::pools
