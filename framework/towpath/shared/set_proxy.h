#pragma once
#include <cstdint>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "towpath/shared/proxy.h"

namespace towpath {

// A set in a manager, in the order in which items came. Items are equal when they are encoded so.
// All else: see Proxy.
//
// Source     Python's SetProxy (3.14). What changes the set there (|=, -=) is update() and
//            erase_all() here; unions and comparisons are made of values().
template <class T>
class SetProxy : public Proxy {
  static_assert(CanTravel<T>::kAsked);

 public:
  static constexpr std::string_view kType = "set";
  explicit SetProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  // True: it was not there.
  bool add(const T& item) { return call<uint64_t>("add", uint64_t{1}, item) == 1; }
  // True: it was there.
  bool erase(const T& item) { return call<uint64_t>("erase", uint64_t{1}, item) == 1; }
  // Many, in one message: how many were new, or were there.
  template <std::ranges::sized_range Items>
  uint64_t update(const Items& items) {
    return many<uint64_t>("add", items);
  }
  template <std::ranges::sized_range Items>
  uint64_t erase_all(const Items& items) {
    return many<uint64_t>("erase", items);
  }
  // The first, if there is one.
  std::optional<T> pop() { return call<managed::Found<T>>("pop").value; }
  void clear() { call<void>("clear"); }
  bool contains(const T& item) const { return call<bool>("contains", item); }
  uint64_t size() const { return call<uint64_t>("size"); }
  bool empty() const { return size() == 0; }
  std::vector<T> values() const { return call<std::vector<T>>("values"); }
  // Those that are among the given ones; those that are not. The set stays as it is.
  template <std::ranges::sized_range Items>
  std::vector<T> intersection(const Items& items) const {
    return many<std::vector<T>>("intersection", items);
  }
  template <std::ranges::sized_range Items>
  std::vector<T> difference(const Items& items) const {
    return many<std::vector<T>>("difference", items);
  }

 private:
  template <class R, class Items>
  R many(std::string_view method, const Items& items) const {
    managed::Exchange exchange(client(), id(), method, 1 + std::ranges::size(items));
    encode(exchange.out(), uint64_t{std::ranges::size(items)});
    for (const auto& item : items) encode(exchange.out(), static_cast<const T&>(item));
    return decode<R>(exchange.run());
  }
};

}  // namespace towpath
