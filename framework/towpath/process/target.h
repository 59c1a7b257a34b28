#pragma once
#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "towpath/base/handle.h"
#include "towpath/base/private_fd.h"
#include "towpath/channel/descriptor.h"
#include "towpath/message/codec.h"

// What a child shall run, in a form that crosses exec: a function, its arguments as MessagePack.

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
  // Copies of the arguments that are names, such as locks and queues: while they live, the child
  // finds what they name.
  std::vector<std::shared_ptr<const void>> named;
};

namespace call {

// Ends with its last copy here: what has a handle, and what has one inside and a lock beside it.
template <class T>
concept Named = std::copy_constructible<T> &&(HasHandle<T> || requires(const T& object) {
  { object.get_obj() } -> HasHandle;
});

template <class T>
void keep_named(Call& call, const T& argument) {
  if constexpr (Named<T>) call.named.push_back(std::make_shared<const T>(argument));
}

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
  Encoder out;
  Call call{reinterpret_cast<Call::Function>(function), &thunk<R, P...>, {}, {}, {}};
  out.array(sizeof...(P));
  [[maybe_unused]] const auto add = [&](const auto& argument) {
    encode(out, argument);
    keep_named(call, argument);
  };
  (add(Stored<P>(std::forward<A>(args))), ...);
  call.arguments = out.take();
  for (UniqueFd& fd : descriptors.take()) call.descriptors.emplace_back(std::move(fd));
  return call;
}

template <class T, class... A>
void run_object(A... args) {
  T task(std::move(args)...);
  task.run();
}

}  // namespace call
}  // namespace towpath
