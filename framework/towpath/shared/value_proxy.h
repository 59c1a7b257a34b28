#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/shared/proxy.h"
#include "towpath/shared/remote_update.h"

namespace towpath {

// One value in a manager, of any type that can be sent. All else: see Proxy. (On one host a Value
// is a thousand times as fast.)
template <class T>
class ValueProxy : public Proxy {
  static_assert(CanTravel<T>::kAsked);

 public:
  static constexpr std::string_view kType = "value";
  explicit ValueProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  T get() const { return call<T>("get"); }
  void set(const T& value) { call<void>("set", value); }
  // Runs function(T&, arguments...) in the manager, while nobody else changes the value. See
  // DictProxy::update.
  template <Target F, class... A>
  auto update(F function, A&&... arguments) {
    using Update = managed::Update<F>;
    static_assert(std::is_same_v<typename Update::Value, T>, "the function takes the value as T&");
    return call<typename Update::Result>("update", Update::located(+function),
                                         Update::arguments(std::forward<A>(arguments)...));
  }
};

// Names with values of any types in a manager. All else: see Proxy.
//
// Errors     Invalid: no such name; its value is of another type.
// Source     Python's Namespace, whose attributes these are.
class NamespaceProxy : public Proxy {
 public:
  static constexpr std::string_view kType = "dict";
  explicit NamespaceProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  template <class T = Object>
  T get(const std::string& name) const {
    return call<T>("at", name);
  }
  template <class T>
  void set(const std::string& name, const T& value) {
    if constexpr (std::is_same_v<calls::Stored<const T&>, T>) {
      call<void>("set", name, value);
    } else {
      call<void>("set", name, calls::Stored<const T&>(value));
    }
  }
  bool has(const std::string& name) const { return call<bool>("contains", name); }
  // True: it was there.
  bool erase(const std::string& name) { return call<bool>("erase", name); }
  std::vector<std::string> names() const { return call<std::vector<std::string>>("keys"); }

  template <Target F, class... A>
  auto update(const std::string& name, F function, A&&... arguments) {
    using Update = managed::Update<F>;
    return call<typename Update::Result>("update", name, Update::located(+function),
                                         Update::arguments(std::forward<A>(arguments)...));
  }
};

}  // namespace towpath
