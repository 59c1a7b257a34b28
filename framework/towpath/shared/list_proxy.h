#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "towpath/shared/proxy.h"
#include "towpath/shared/remote_update.h"

namespace towpath {

// A list in a manager. All else: see Proxy.
//
// Indexes    from 0, or from the end: -1 is the last. Invalid: no such.
// Values     are copies; equal when they are encoded so.
// Source     Python's ListProxy.
template <class T>
class ListProxy : public Proxy {
  static_assert(CanTravel<T>::kAsked);

 public:
  static constexpr std::string_view kType = "list";
  explicit ListProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  T at(int64_t index) const { return call<T>("at", index); }
  void set(int64_t index, const T& item) { call<void>("set", index, item); }
  void append(const T& item) { call<void>("append", uint64_t{1}, item); }
  // All in one message.
  template <std::ranges::sized_range Items>
  void extend(const Items& items) {
    managed::Exchange exchange(client(), id(), "append", 1 + std::ranges::size(items));
    encode(exchange.out(), uint64_t{std::ranges::size(items)});
    for (const auto& item : items) encode(exchange.out(), static_cast<const T&>(item));
    exchange.run().nil();
  }
  // Before the index; beyond the end: there.
  void insert(int64_t index, const T& item) { call<void>("insert", index, item); }
  T pop(int64_t index = -1) { return call<T>("pop", index); }
  void erase(int64_t index) { call<void>("erase", index); }
  // The first that is equal. False: none.
  bool remove(const T& item) { return call<bool>("erase_first", item); }
  void clear() { call<void>("clear"); }
  void reverse() { call<void>("reverse"); }

  uint64_t size() const { return call<uint64_t>("size"); }
  bool empty() const { return size() == 0; }
  // Where the first that is equal is.
  std::optional<uint64_t> index(const T& item) const {
    return call<std::optional<uint64_t>>("find", item);
  }
  uint64_t count(const T& item) const { return call<uint64_t>("count", item); }
  bool contains(const T& item) const { return index(item).has_value(); }
  // All, or those from an index up to another, at one moment, in one message.
  std::vector<T> values() const { return slice(0, std::numeric_limits<int64_t>::max()); }
  std::vector<T> slice(int64_t from, int64_t to) const {
    return call<std::vector<T>>("slice", from, to);
  }

  // Runs function(T&, arguments...) on one item, or function(std::vector<T>&, arguments...) on the
  // whole list, in the manager, while nobody else changes the list. See DictProxy::update.
  template <Target F, class... A>
  auto update(int64_t index, F function, A&&... arguments) {
    using Update = managed::Update<F>;
    static_assert(std::is_same_v<typename Update::Value, T>, "the function takes the item as T&");
    return call<typename Update::Result>("update", index, Update::located(+function),
                                         Update::arguments(std::forward<A>(arguments)...));
  }
  template <Target F, class... A>
  auto update(F function, A&&... arguments) {
    using Update = managed::Update<F>;
    static_assert(std::is_same_v<typename Update::Value, std::vector<T>>,
                  "the function takes the list as std::vector<T>&");
    return call<typename Update::Result>("update_all", Update::located(+function),
                                         Update::arguments(std::forward<A>(arguments)...));
  }
  // By <; what is equal keeps its order. An update(): for another order, say your own.
  void sort() requires std::totally_ordered<T> {
    update([](std::vector<T>& all) { std::ranges::stable_sort(all); });
  }
};

// The same of a fixed size: Python's Array of a manager.
template <class T>
class ArrayProxy : public Proxy {
  static_assert(CanTravel<T>::kAsked);

 public:
  static constexpr std::string_view kType = "list";
  explicit ArrayProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  T get(int64_t index) const { return call<T>("at", index); }
  void set(int64_t index, const T& item) { call<void>("set", index, item); }
  uint64_t size() const { return call<uint64_t>("size"); }
  std::vector<T> values() const {
    return call<std::vector<T>>("slice", int64_t{0}, std::numeric_limits<int64_t>::max());
  }
  template <Target F, class... A>
  auto update(int64_t index, F function, A&&... arguments) {
    using Update = managed::Update<F>;
    static_assert(std::is_same_v<typename Update::Value, T>, "the function takes the item as T&");
    return call<typename Update::Result>("update", index, Update::located(+function),
                                         Update::arguments(std::forward<A>(arguments)...));
  }
};

}  // namespace towpath
