#pragma once
#include <string_view>
#include <type_traits>
#include <utility>

#include "towpath/shared/exposes.h"
#include "towpath/shared/proxy.h"

namespace towpath {

// An object of a user's class in a manager. T is the class, if this program has it; void if not.
//
//   ObjectProxy<Counter> counter = manager.make<Counter>(5);
//   int64_t now = counter.call<&Counter::add>(2);      // checked when it is compiled
//   now = counter.call<int64_t>("add", 2);             // by name, of any program
//
// Errors     RemoteError, which names the method and those there are: it is not exposed. Invalid:
//            arguments of other types than the method takes. All else: see Proxy.
template <class T = void>
class ObjectProxy : public Proxy {
 public:
  static constexpr std::string_view kType{};
  explicit ObjectProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  template <auto M, class... A>
  auto call(A&&... arguments) const {
    using Member = managed::MethodOf<decltype(M)>;
    using Arguments = typename Member::Arguments;
    static_assert(Exposed<T>, "a class that says what it exposes, or call<R>(name, arguments...)");
    static_assert(std::tuple_size_v<Arguments> == sizeof...(A),
                  "the method takes another number of arguments");
    static const std::string& name =
        managed::name_of_method(managed::described<T>(), &managed::kTag<M>);
    const Arguments values = Member::arguments(std::forward<A>(arguments)...);
    return std::apply(
        [this](const auto&... value) {
          return Proxy::call<typename ResultOf<typename Member::Result>::Type>(name, value...);
        },
        values);
  }
  template <class R = Object, class... A>
  R call(std::string_view method, A&&... arguments) const {
    return Proxy::call<R>(method, static_cast<const calls::Stored<A&&>&>(
                                      calls::Stored<A&&>(std::forward<A>(arguments)))...);
  }

 private:
  template <class R>
  struct ResultOf {
    using Type = std::decay_t<R>;
  };
  template <Exposed U>
  struct ResultOf<std::shared_ptr<U>> {
    using Type = ObjectProxy<U>;
  };
};

}  // namespace towpath
