#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "towpath/shared/proxy.h"
#include "towpath/shared/remote_update.h"

namespace towpath {

// A map in a manager, in the order in which keys came. All else: see Proxy.
//
// Values     are copies: what at() returns is the caller's own, and changing it changes nothing
//            there; say set(), or update() when others change it, too. A proxy as a value is the
//            object it names.
// Keys       are equal when they are encoded so: 1 and 1.0 are two.
// Errors     Invalid, which names the key: at() of one that is not there.
// Source     Python's DictProxy. There two processes that say d[k] += 1 lose updates.
template <class K, class V>
class DictProxy : public Proxy {
  static_assert(CanTravel<K>::kAsked && CanTravel<V>::kAsked);

 public:
  static constexpr std::string_view kType = "dict";
  explicit DictProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  V at(const K& key) const { return call<V>("at", key); }
  std::optional<V> find(const K& key) const { return call<managed::Found<V>>("find", key).value; }
  V get(const K& key, V otherwise) const { return find(key).value_or(std::move(otherwise)); }
  bool contains(const K& key) const { return call<bool>("contains", key); }
  void set(const K& key, const V& value) { call<void>("set", key, value); }
  // What is there; `value`, which is there then, if nothing was.
  V setdefault(const K& key, const V& value) { return call<V>("set_default", key, value); }
  // True: it was there.
  bool erase(const K& key) { return call<bool>("erase", key); }
  std::optional<V> pop(const K& key) { return call<managed::Found<V>>("pop", key).value; }
  // The last that came, if there is one.
  std::optional<std::pair<K, V>> popitem() {
    return call<managed::Found<std::pair<K, V>>>("pop_item").value;
  }
  void clear() { call<void>("clear"); }
  uint64_t size() const { return call<uint64_t>("size"); }
  bool empty() const { return size() == 0; }

  // All at one moment, in one message.
  std::vector<K> keys() const { return call<std::vector<K>>("keys"); }
  std::vector<V> values() const { return call<std::vector<V>>("values"); }
  std::vector<std::pair<K, V>> items() const { return call<std::vector<std::pair<K, V>>>("items"); }
  template <std::ranges::sized_range Items>
  requires requires(std::ranges::range_reference_t<Items> item) {
    { item.first } -> std::convertible_to<K>;
    { item.second } -> std::convertible_to<V>;
  }
  void update(const Items& items) {
    managed::Exchange exchange(client(), id(), "set_many", 1 + 2 * std::ranges::size(items));
    encode(exchange.out(), uint64_t{std::ranges::size(items)});
    for (const auto& [key, value] : items) {
      encode(exchange.out(), static_cast<const K&>(key));
      encode(exchange.out(), static_cast<const V&>(value));
    }
    exchange.run().nil();
  }
  template <std::ranges::sized_range Keys>
  std::vector<std::optional<V>> find_many(const Keys& keys) const {
    managed::Exchange exchange(client(), id(), "find_many", 1 + std::ranges::size(keys));
    encode(exchange.out(), uint64_t{std::ranges::size(keys)});
    for (const auto& key : keys) encode(exchange.out(), static_cast<const K&>(key));
    std::vector<std::optional<V>> all;
    Decoder& in = exchange.run();
    for (size_t left = in.array(); left > 0; --left)
      all.push_back(decode<managed::Found<V>>(in).value);
    return all;
  }

  // Runs function(V&, arguments...) in the manager, while nobody else changes the dict: no update
  // is lost. A key that is not there begins as V{}. What it throws leaves all as it was. Returns
  // what it returns. Unsupported over TCP: see ManagerOptions.remote_functions.
  template <Target F, class... A>
  auto update(const K& key, F function, A&&... arguments) {
    using Update = managed::Update<F>;
    static_assert(std::is_same_v<typename Update::Value, V>, "the function takes the value as V&");
    return call<typename Update::Result>("update", key, Update::located(+function),
                                         Update::arguments(std::forward<A>(arguments)...));
  }
};

}  // namespace towpath
