#pragma once
#include <concepts>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/process/remote_error.h"
#include "towpath/process/target.h"
#include "towpath/shared/referent.h"

namespace towpath {

template <class T>
class Exposes;

// A class whose objects a manager can hold: it says which of its methods may be called.
//
//   struct Counter {
//     explicit Counter(int64_t start);
//     int64_t add(int64_t n);
//     static void expose(towpath::Exposes<Counter>& type) {
//       type.constructor<int64_t>().method<&Counter::add>("add");
//     }
//   };
//
// A method that calls its own object by a proxy waits for itself, unless the type is concurrent().
// Objects end one after another, in a thread of the manager's; a destructor may call the manager.
template <class T>
concept Exposed = requires(Exposes<T>& type) {
  T::expose(type);
};

namespace managed {

template <Exposed T>
const ObjectType& described();

template <Exposed T>
class UserObject final : public Referent {
 public:
  template <class... A>
  explicit UserObject(A&&... args)
      : Referent(described<T>()), object_(std::make_shared<T>(std::forward<A>(args)...)) {}
  explicit UserObject(std::shared_ptr<T> object)
      : Referent(described<T>()), object_(std::move(object)) {}
  T& object() { return *object_; }

 private:
  std::shared_ptr<T> object_;
};

// A method: a member function, or a function that takes T& first.
template <class M>
struct MethodOf;
template <class R, class C, class... P>
struct MethodOf<R (C::*)(P...)> {
  using Object = C;
  using Result = R;
  using Arguments = std::tuple<calls::Stored<P>...>;
  template <class... A>
  static Arguments arguments(A&&... args) {
    return {calls::stored<P>(std::forward<A>(args))...};
  }
  template <auto M>
  static void run(C& object, Invocation& call) {
    // Braces: taken left to right.
    std::tuple<calls::Stored<P>...> values{call.template take<calls::Stored<P>>()...};
    call.require_end();
    const auto invoke = [&object](auto&... value) -> decltype(auto) {
      return std::invoke(M, object, calls::handed_over<P>(value)...);
    };
    if constexpr (std::is_void_v<R>) {
      std::apply(invoke, values);
      call.out.nil();
    } else {
      give(call, std::apply(invoke, values));
    }
  }
  template <class V>
  static void give(Invocation& call, const V& value) {
    encode(call.out, value);
  }
  // An object that the manager holds from now on; what is returned is a proxy of it.
  template <Exposed U>
  static void give(Invocation& call, const std::shared_ptr<U>& object) {
    if (object == nullptr) throw Invalid("a method that should return an object returned null");
    call.caller.give_object(call.out, std::make_shared<UserObject<U>>(object));
  }
};
template <class R, class C, class... P>
struct MethodOf<R (C::*)(P...) const> : MethodOf<R (C::*)(P...)> {};
template <class R, class C, class... P>
struct MethodOf<R (C::*)(P...) noexcept> : MethodOf<R (C::*)(P...)> {};
template <class R, class C, class... P>
struct MethodOf<R (C::*)(P...) const noexcept> : MethodOf<R (C::*)(P...)> {};
template <class R, class C, class... P>
struct MethodOf<R (*)(C&, P...)> : MethodOf<R (C::*)(P...)> {};
template <class R, class C, class... P>
struct MethodOf<R (*)(C&, P...) noexcept> : MethodOf<R (C::*)(P...)> {};

// Its address names the member, in this process.
template <auto M>
inline constexpr char kTag = 0;

}  // namespace managed

// What a class says of itself in expose().
template <class T>
class Exposes {
 public:
  // The types of the arguments by which clients make one.
  template <class... A>
  Exposes& constructor() {
    type_.make = [](managed::Invocation& call) -> std::shared_ptr<managed::Referent> {
      std::tuple<A...> values{call.template take<A>()...};  // braces: left to right
      call.require_end();
      return std::apply(
          [](auto&... value) {
            return std::make_shared<managed::UserObject<T>>(
                std::make_shared<T>(std::move(value)...));
          },
          values);
    };
    return *this;
  }
  // A member function, of T or its base, or a function of T& and more. Arguments and result travel
  // as MessagePack; a std::shared_ptr of an exposed class as a proxy.
  template <auto M>
  Exposes& method(const std::string& name) {
    type_.methods[name] = {[](managed::Referent& object, managed::Invocation& call) {
                             managed::MethodOf<decltype(M)>::template run<M>(
                                 static_cast<managed::UserObject<T>&>(object).object(), call);
                           },
                           &managed::kTag<M>};
    return *this;
  }
  // Its methods may run beside each other: T is thread-safe. Else those on one object follow one
  // another.
  Exposes& concurrent() {
    type_.concurrent = true;
    return *this;
  }

  managed::ObjectType take() && { return std::move(type_); }

 private:
  managed::ObjectType type_;
};

namespace managed {

template <Exposed T>
const ObjectType& described() {
  static const ObjectType type = [] {
    Exposes<T> exposes;
    T::expose(exposes);
    ObjectType it = std::move(exposes).take();
    it.name = type_name(typeid(T));
    return it;
  }();
  return type;
}

// By which name the member is exposed. Invalid: by none.
const std::string& name_of_method(const ObjectType& type, const void* tag);

// Where described<T>() is, as it travels.
using Describe = const ObjectType& (*)();

}  // namespace managed
}  // namespace towpath
