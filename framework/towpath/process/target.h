#pragma once
#include <concepts>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "towpath/base/private_fd.h"
#include "towpath/channel/descriptor.h"
#include "towpath/message/codec.h"
#include "towpath/message/outgoing_names.h"

// What a child shall run, in a form that crosses exec: a function, its arguments as MessagePack.
//
// The function is sent as its place in a file: the program's, or that of a shared library, linked
// or opened with dlopen. A child that has not loaded that library loads it, from the same path, if
// the file is still the same build; otherwise its error says that it was replaced, or is gone.
// Another program knows nothing of this one's functions: its processes call objects of a Manager.

namespace towpath {

// A function, or a lambda that captures nothing.
template <class F>
concept Target = requires(F f) {
  +f;
}
&&std::is_function_v<std::remove_pointer_t<decltype(+std::declval<F>())>>;

// A class that is a task: constructed in the child, then run.
struct Runnable {
  virtual void run() = 0;
  virtual ~Runnable() = default;
};

// A call, ready to travel. `thunk` decodes the arguments and calls `function`.
struct Call {
  using Function = void (*)();
  using Thunk = void (*)(Function, Decoder&);

  Function function = nullptr;
  Thunk thunk = nullptr;
  std::string arguments;
  std::vector<PrivateFd> descriptors;  // of its child alone, not of one that is forked meanwhile
  OutgoingNames::Copies named;         // in the arguments: while it lives, the child finds them
};

namespace call {

// What holds an argument while it travels: views and C strings travel as the text they show.
template <class P>
using Stored = std::conditional_t<std::is_same_v<std::remove_cvref_t<P>, std::string_view> ||
                                      std::is_same_v<std::decay_t<P>, const char*>,
                                  std::string, std::remove_cvref_t<P>>;

template <class P>
decltype(auto) handed_over(Stored<P>& value) {
  if constexpr (std::is_same_v<std::decay_t<P>, const char*>) {
    return value.c_str();
  } else if constexpr (std::is_same_v<std::remove_cvref_t<P>, std::string_view>) {
    return std::string_view(value);
  } else {
    return std::move(value);  // binds to T, T&& and const T&
  }
}

template <class R, class... P>
void thunk(Call::Function function, Decoder& in) {
  in.array(sizeof...(P));
  std::tuple<Stored<P>...> values{decode<Stored<P>>(in)...};  // braces: decoded left to right
  IncomingDescriptors::decoded();
  std::apply(
      [function](auto&... value) {
        (void)reinterpret_cast<R (*)(P...)>(function)(handed_over<P>(value)...);
      },
      values);
}

template <class R, class... P, class... A>
Call make(R (*function)(P...), A&&... args) {
  static_assert(
      (Sendable<Stored<P>> && ...),
      "a parameter's type can't travel as MessagePack: give it TOWPATH_FIELDS or a Codec");
  OutgoingDescriptors descriptors;
  OutgoingNames names;
  Encoder out;
  Call call{reinterpret_cast<Call::Function>(function), &thunk<R, P...>, {}, {}, {}};
  out.array(sizeof...(P));
  (encode(out, Stored<P>(std::forward<A>(args))), ...);
  call.arguments = out.take();
  call.named = names.take();
  for (UniqueFd& fd : descriptors.take()) call.descriptors.emplace_back(std::move(fd));
  descriptors.sent();
  return call;
}

template <class T, class... A>
void run_object(A... args) {
  T task(std::move(args)...);
  task.run();
}

}  // namespace call
}  // namespace towpath
