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
template <Sendable T>
class SetProxy : public Proxy {
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
    return many("add", items);
  }
  template <std::ranges::sized_range Items>
  uint64_t erase_all(const Items& items) {
    return many("erase", items);
  }
  // The first, if there is one.
  std::optional<T> pop() { return call<managed::Found<T>>("pop").value; }
  void clear() { call<void>("clear"); }
  bool contains(const T& item) const { return call<bool>("contains", item); }
  uint64_t size() const { return call<uint64_t>("size"); }
  bool empty() const { return size() == 0; }
  std::vector<T> values() const { return call<std::vector<T>>("values"); }

 private:
  template <class Items>
  uint64_t many(std::string_view method, const Items& items) {
    managed::Exchange exchange(client(), id(), method, 1 + std::ranges::size(items));
    encode(exchange.out(), uint64_t{std::ranges::size(items)});
    for (const auto& item : items) encode(exchange.out(), static_cast<const T&>(item));
    return exchange.run().unsigned_integer();
  }
};

}  // namespace towpath
