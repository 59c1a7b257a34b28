#pragma once
#include <tuple>
#include <type_traits>
#include <utility>

#include "towpath/message/codec.h"
#include "towpath/process/target.h"
#include "towpath/shared/referent.h"

// Functions that run in a manager, on a value there: nobody else changes it meanwhile. What travels
// is the place of their code, so both sides must be of one program.

namespace towpath::managed {

// Decodes the value (null: there is none, so it begins as V{}) and the arguments, calls, and
// writes the value and the result.
using UpdateThunk = void (*)(Call::Function function, Decoder* current, Decoder& arguments,
                             Encoder& value, Encoder& result);

[[noreturn]] void throw_nothing_to_begin_with();

template <class Value>
Value begin(Decoder* current) {
  if (current != nullptr) return decode<Value>(*current);
  if constexpr (std::is_default_constructible_v<Value>) {
    return Value{};
  } else {
    throw_nothing_to_begin_with();
  }
}

template <class R, class First, class... P>
void update_thunk(Call::Function function, Decoder* current, Decoder& in, Encoder& out,
                  Encoder& result) {
  using Value = std::remove_cvref_t<First>;
  Value value = begin<Value>(current);
  in.array(sizeof...(P));
  std::tuple<calls::Stored<P>...> values{decode<calls::Stored<P>>(in)...};  // braces: left to right
  const auto run = [&](auto&... each) -> decltype(auto) {
    return reinterpret_cast<R (*)(First, P...)>(function)(value, calls::handed_over<P>(each)...);
  };
  if constexpr (std::is_void_v<R>) {
    std::apply(run, values);
    result.nil();
  } else {
    encode(result, static_cast<const std::decay_t<R>&>(std::apply(run, values)));
  }
  encode(out, value);
}

RemoteFunction locate_function(Call::Function function, const void* thunk);

template <class F>
struct Update : Update<calls::Pointer<F>> {};
template <class R, class First, class... P>
struct Update<R (*)(First, P...)> {
  static_assert(std::is_reference_v<First>, "the function takes the value as V&");
  using Value = std::remove_cvref_t<First>;
  using Result = std::decay_t<R>;

  static RemoteFunction located(R (*function)(First, P...)) {
    return locate_function(reinterpret_cast<Call::Function>(function),
                           reinterpret_cast<const void*>(&update_thunk<R, First, P...>));
  }
  template <class... A>
  static std::tuple<calls::Stored<P>...> arguments(A&&... args) {
    static_assert(sizeof...(A) == sizeof...(P),
                  "the function takes another number of arguments behind the value");
    return {calls::stored<P>(std::forward<A>(args))...};
  }
};

// A value that a function has left, and the proxies in it.
struct Updated {
  std::string bytes;
  std::vector<Held> held;
};

// In the server: runs the function that the next two arguments are, on `current`.
Updated run_update(Invocation& invocation, const std::string* current);

}  // namespace towpath::managed
