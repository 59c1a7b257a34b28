#pragma once
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "towpath/message/codec.h"

// What a function that is to run in another process takes and returns; and the compiler's errors
// for whoever gives what can't get there. Process, Pool, Executor, Manager and initializers all ask
// here, so they say the same.

namespace towpath {

namespace calls {

template <class R, class... P>
auto without_noexcept(R (*function)(P...)) {
  return function;
}
// What a target decays to: R (*)(P...).
template <class F>
using Pointer = decltype(without_noexcept(+std::declval<F>()));

}  // namespace calls

// A function, or a lambda that captures nothing.
template <class F>
concept Target = requires {
  typename calls::Pointer<F>;
};

namespace calls {

// What holds an argument while it travels: views and C strings travel as the text they show.
template <class P>
using Stored = std::conditional_t<std::is_same_v<std::remove_cvref_t<P>, std::string_view> ||
                                      std::is_same_v<std::decay_t<P>, const char*>,
                                  std::string, std::remove_cvref_t<P>>;

// Asks for Target<F>, so that the error says why it is none.
template <class F>
struct CanBeTarget {
  static constexpr bool kMember = std::is_member_pointer_v<F>;
  static_assert(
      !kMember,
      "a pointer to a member is no target: its object is not in the other process. Take a "
      "function that makes the object of its arguments, or a Runnable (Process::of), or an "
      "object of a Manager");
  static_assert(Target<F> || kMember || !std::is_class_v<F>,
                "a target is a function or a lambda without captures. A capturing lambda, a "
                "std::function and other objects with operator() can't cross exec: pass what they "
                "hold as arguments. A generic lambda has no address: give its parameters types");
  static_assert(Target<F> || kMember || std::is_class_v<F>,
                "a target is a function or a lambda without captures, of no C variadic arguments");
  static constexpr bool kAsked = true;
};

// Asks whether a target can have a parameter P.
template <class P>
struct CanBeParameter {
  static constexpr bool kChanged =
      std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;
  static_assert(
      !kChanged,
      "a target can't take T&: what it changed would be a copy in the other process. Take "
      "T or const T&, and return what is new; or share a Value, an Array, a Manager's "
      "object");
  static constexpr bool kAsked = CanTravel<Stored<P>>::kAsked;
};

// As the target takes it.
template <class P>
decltype(auto) handed_over(Stored<P>& value) {
  static_assert(CanBeParameter<P>::kAsked);
  if constexpr (CanBeParameter<P>::kChanged) {
    return (value);
  } else if constexpr (std::is_same_v<std::decay_t<P>, const char*>) {
    return value.c_str();
  } else if constexpr (std::is_same_v<std::remove_cvref_t<P>, std::string_view>) {
    return std::string_view(value);
  } else {
    return std::move(value);  // binds to T, T&& and const T&
  }
}

// Asks whether an argument A will do for a parameter P, as in a plain call.
template <class P, class A>
struct CanBeArgument {
  // Of a T&, which CanBeParameter refuses, not a second time.
  static constexpr bool kConverts =
      std::is_convertible_v<std::decay_t<A>, P> || CanBeParameter<P>::kChanged;
  static constexpr bool kLosesFraction =
      std::is_floating_point_v<std::decay_t<A>> && std::is_integral_v<std::remove_cvref_t<P>>;
  // What is of the type already is encoded where it lies.
  static constexpr bool kMade =
      std::is_same_v<Stored<P>, std::remove_cvref_t<A>> || std::is_constructible_v<Stored<P>, A>;
  static_assert(kConverts, "an argument does not convert to the target's parameter");
  static_assert(!kLosesFraction,
                "a floating-point argument would lose its fraction in the target's integer "
                "parameter: convert it yourself, by std::lround or static_cast");
  static_assert(kMade || !kConverts,
                "what holds this argument on its way can't be made of it: give one of its type");
  static constexpr bool kAsked = true;
  static constexpr bool kYes = kConverts && !kLosesFraction && kMade;
};

// A number that the parameter's type can't hold: NotSerialisable.
[[noreturn]] void throw_does_not_fit(const std::string& number, const std::type_info& type);

// An argument as it travels.
template <class P, class A>
decltype(auto) stored(A&& value) {
  using To = Stored<P>;
  using From = std::remove_cvref_t<A>;
  static_assert(CanBeArgument<P, A>::kAsked);
  if constexpr (std::is_same_v<To, From>) {
    return std::forward<A>(value);  // as it is, without a copy
  } else if constexpr (std::integral<To> && std::integral<From> && !std::is_same_v<To, bool> &&
                       !std::is_same_v<From, bool>) {
    const auto number = static_cast<typename Codec<From>::Number>(value);
    if (!std::in_range<typename Codec<To>::Number>(number)) {
      throw_does_not_fit(std::to_string(number), typeid(To));
    }
    return static_cast<To>(value);
  } else {
    return To(std::forward<A>(value));
  }
}

// Takes the place of what is not known, because there is another error.
struct Anything {
  template <class T>
  Anything(const T&) {}  // NOLINT(google-explicit-constructor)
};

// Of what is no target: one error says so, all else goes along.
template <class F>
struct Signature {
  using Result = void;
  using One = Anything;
  using All = Anything;
  static constexpr size_t kParameters = 0;

  template <class... A>
  static void encode_arguments(Encoder&, A&&...) {
    static_assert(CanBeTarget<F>::kAsked);
  }
};

template <Target F>
struct Signature<F> : Signature<Pointer<F>> {};

template <class R, class... P>
struct Signature<R (*)(P...)> {
  using Result = R;
  // All parameters; and the one, where there is one.
  using All = std::tuple<Stored<P>...>;
  using One =
      std::tuple_element_t<0, std::conditional_t<sizeof...(P) == 1, All, std::tuple<Anything>>>;
  static constexpr size_t kParameters = sizeof...(P);

  // One behind the other.
  template <class... A>
  static void encode_arguments(Encoder& out, A&&... args) {
    static_assert((CanBeParameter<P>::kAsked && ...));
    constexpr bool kAsMany = sizeof...(A) == sizeof...(P);
    static_assert(
        kAsMany,
        "the target takes another number of arguments. Default arguments are not known to "
        "who has its address: give them all, or a lambda that calls it");
    if constexpr (kAsMany) {
      (encode_one<P>(out, std::forward<A>(args)), ...);
    }
  }

 private:
  template <class Parameter, class A>
  static void encode_one(Encoder& out, A&& value) {
    if constexpr (CanBeArgument<Parameter, A>::kYes) {
      encode(out, static_cast<const Stored<Parameter>&>(stored<Parameter>(std::forward<A>(value))));
    }
  }
};

}  // namespace calls
}  // namespace towpath
