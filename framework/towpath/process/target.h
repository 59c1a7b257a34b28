#pragma once
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "towpath/base/private_fd.h"
#include "towpath/channel/descriptor.h"
#include "towpath/message/codec.h"
#include "towpath/message/outgoing_names.h"
#include "towpath/process/signature.h"

// What a child shall run, in a form that crosses exec: a function, its arguments as MessagePack.
//
// The function is sent as its place in a file: the program's, or that of a shared library, linked
// or opened with dlopen. A child that has not loaded that library loads it, from the same path, if
// the file is still the same build; otherwise its error says that it was replaced, or is gone.
// Another program knows nothing of this one's functions: its processes call objects of a Manager.

namespace towpath {

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

namespace calls {

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

template <class R, class... P>
Call::Thunk thunk_of(R (*)(P...)) {
  return &thunk<R, P...>;
}

template <class F, class... A>
Call make(F function, A&&... args) {
  static_assert(CanBeTarget<F>::kAsked);
  static_assert((std::is_constructible_v<std::decay_t<A>, A> && ...),
                "an argument that can't be copied is given away: std::move it");
  Call call;
  if constexpr (Target<F>) {
    OutgoingDescriptors descriptors;
    OutgoingNames names;
    Encoder out;
    call.function = reinterpret_cast<Call::Function>(+function);
    call.thunk = thunk_of(+function);
    out.array(sizeof...(A));
    Signature<F>::encode_arguments(out, std::forward<A>(args)...);
    call.arguments = out.take();
    call.named = names.take();
    for (UniqueFd& fd : descriptors.take()) call.descriptors.emplace_back(std::move(fd));
    descriptors.sent();
  }
  return call;
}

template <class T, class... A>
void run_object(A... args) {
  T task(std::move(args)...);
  task.run();
}

}  // namespace calls
}  // namespace towpath
