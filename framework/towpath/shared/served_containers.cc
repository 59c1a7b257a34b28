#include "towpath/shared/served_containers.h"

#include <algorithm>
#include <list>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/json.h"
#include "towpath/shared/remote_update.h"
#include "towpath/shared/served_type.h"

namespace towpath::managed {
namespace {

std::string text_of(const std::string& encoded) {
  std::string text = to_json(from_bytes<Object>(encoded));
  if (text.size() > 100) text = text.substr(0, 100) + "...";
  return text;
}

// What a function of the client's makes of a value; null: there is none yet.
Stored updated(Invocation& call, const Stored* current) {
  const Updated made = run_update(call, current == nullptr ? nullptr : &current->bytes);
  return Cutter(made.bytes, made.held, call.caller).cut(made.bytes);
}

// What may not be there: an array of it, or of nothing.
void give_found(Invocation& call, const Stored* value) {
  call.out.array(value == nullptr ? 0 : 1);
  if (value != nullptr) call.give(*value);
}

// Entries by the bytes of their keys, in the order in which these came.
class Entries {
 public:
  struct Entry {
    Stored key, value;
  };

  Entry* find(const std::string& key) {
    const auto found = places_.find(key);
    return found == places_.end() ? nullptr : &*found->second;
  }
  // True: it is new.
  bool set(Invocation& call, Stored&& key, Stored&& value) {
    if (Entry* entry = find(key.bytes)) {
      call.release(std::exchange(entry->value, std::move(value)));
      call.release(std::move(key));
      return false;
    }
    all_.push_back({std::move(key), std::move(value)});
    places_.emplace(all_.back().key.bytes, std::prev(all_.end()));
    return true;
  }
  bool erase(Invocation& call, const std::string& key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return false;
    const auto place = found->second;
    places_.erase(found);
    call.release(std::move(place->key));
    call.release(std::move(place->value));
    all_.erase(place);
    return true;
  }
  void clear(Invocation& call) {
    for (Entry& entry : all_) {
      call.release(std::move(entry.key));
      call.release(std::move(entry.value));
    }
    places_.clear();
    all_.clear();
  }
  const std::list<Entry>& all() const { return all_; }
  size_t size() const { return all_.size(); }

 private:
  std::list<Entry> all_;
  std::unordered_map<std::string_view, std::list<Entry>::iterator> places_;  // views into all_
};

class Dict final : public Referent {
 public:
  explicit Dict(Invocation&) : Referent(dict_type()) {}

  void set(Invocation& call) {
    Stored key = call.take_stored();
    entries_.set(call, std::move(key), call.take_stored());
    call.out.nil();
  }
  // Key, value, key, value.
  void set_many(Invocation& call) {
    for (auto left = call.take<uint64_t>(); left > 0; --left) {
      Stored key = call.take_stored();
      entries_.set(call, std::move(key), call.take_stored());
    }
    call.out.nil();
  }
  void find(Invocation& call) { give_found(call, value_of(call.take_stored().bytes)); }
  void find_many(Invocation& call) {
    auto left = call.take<uint64_t>();
    call.out.array(left);
    for (; left > 0; --left) give_found(call, value_of(call.take_stored().bytes));
  }
  void at(Invocation& call) {
    const Stored key = call.take_stored();
    const Stored* value = value_of(key.bytes);
    if (value == nullptr) throw Invalid(format("there is no key {}", text_of(key.bytes)));
    call.give(*value);
  }
  void set_default(Invocation& call) {
    Stored key = call.take_stored();
    Stored value = call.take_stored();
    Entries::Entry* entry = entries_.find(key.bytes);
    if (entry == nullptr) {
      call.give(value);
      entries_.set(call, std::move(key), std::move(value));
    } else {
      call.give(entry->value);
    }
  }
  void erase(Invocation& call) { call.out.boolean(entries_.erase(call, call.take_stored().bytes)); }
  void pop(Invocation& call) {
    const Stored key = call.take_stored();
    give_found(call, value_of(key.bytes));
    entries_.erase(call, key.bytes);
  }
  // The last, as a pair.
  void pop_item(Invocation& call) {
    if (entries_.size() == 0) return give_found(call, nullptr);
    const Entries::Entry& last = entries_.all().back();
    call.out.array(1);
    call.out.array(2);
    call.give(last.key);
    call.give(last.value);
    entries_.erase(call, std::string(last.key.bytes));
  }
  void update(Invocation& call) {
    Stored key = call.take_stored();
    Stored value = updated(call, value_of(key.bytes));
    entries_.set(call, std::move(key), std::move(value));
  }
  void clear(Invocation& call) {
    entries_.clear(call);
    call.out.nil();
  }
  void size(Invocation& call) { call.out.unsigned_integer(entries_.size()); }
  void contains(Invocation& call) {
    call.out.boolean(entries_.find(call.take_stored().bytes) != nullptr);
  }
  void keys(Invocation& call) {
    call.out.array(entries_.size());
    for (const auto& entry : entries_.all()) call.give(entry.key);
  }
  void values(Invocation& call) {
    call.out.array(entries_.size());
    for (const auto& entry : entries_.all()) call.give(entry.value);
  }
  void items(Invocation& call) {
    call.out.array(entries_.size());
    for (const auto& entry : entries_.all()) {
      call.out.array(2);
      call.give(entry.key);
      call.give(entry.value);
    }
  }

 private:
  const Stored* value_of(const std::string& key) {
    const Entries::Entry* entry = entries_.find(key);
    return entry == nullptr ? nullptr : &entry->value;
  }
  Entries entries_;
};

class Set final : public Referent {
 public:
  explicit Set(Invocation&) : Referent(set_type()) {}

  void add(Invocation& call) {
    uint64_t added = 0;
    for (auto left = call.take<uint64_t>(); left > 0; --left)
      added += entries_.set(call, call.take_stored(), {}) ? 1 : 0;
    call.out.unsigned_integer(added);
  }
  void erase(Invocation& call) {
    uint64_t erased = 0;
    for (auto left = call.take<uint64_t>(); left > 0; --left)
      erased += entries_.erase(call, call.take_stored().bytes) ? 1 : 0;
    call.out.unsigned_integer(erased);
  }
  void pop(Invocation& call) {
    if (entries_.size() == 0) return give_found(call, nullptr);
    const Stored first = entries_.all().front().key;
    give_found(call, &first);
    entries_.erase(call, first.bytes);
  }
  void clear(Invocation& call) {
    entries_.clear(call);
    call.out.nil();
  }
  void size(Invocation& call) { call.out.unsigned_integer(entries_.size()); }
  void contains(Invocation& call) {
    call.out.boolean(entries_.find(call.take_stored().bytes) != nullptr);
  }
  void values(Invocation& call) {
    call.out.array(entries_.size());
    for (const auto& entry : entries_.all()) call.give(entry.key);
  }
  void intersection(Invocation& call) { give_those(call, true); }
  void difference(Invocation& call) { give_those(call, false); }

 private:
  // Of its items those that are among the given ones; or those that are not.
  void give_those(Invocation& call, bool among) {
    std::unordered_set<std::string> given;
    for (auto left = call.take<uint64_t>(); left > 0; --left)
      given.insert(std::move(call.take_stored().bytes));
    std::vector<const Stored*> those;
    for (const auto& entry : entries_.all()) {
      if (given.contains(entry.key.bytes) == among) those.push_back(&entry.key);
    }
    call.out.array(those.size());
    for (const Stored* item : those) call.give(*item);
  }

  Entries entries_;
};

class List final : public Referent {
 public:
  explicit List(Invocation&) : Referent(list_type()) {}

  void append(Invocation& call) {
    for (auto left = call.take<uint64_t>(); left > 0; --left) items_.push_back(call.take_stored());
    call.out.nil();
  }
  // So many times the same.
  void fill(Invocation& call) {
    const auto times = call.take<uint64_t>();
    const Stored item = call.take_stored();
    if (times > kMostFilled / (sizeof(Stored) + item.bytes.size())) {
      throw Invalid(format("{} items of {} bytes at once; {} bytes are the most", times,
                           item.bytes.size(), kMostFilled));
    }
    items_.insert(items_.end(), times, item);
    call.out.nil();
  }
  void at(Invocation& call) { call.give(items_[index(call)]); }
  void set(Invocation& call) {
    Stored& item = items_[index(call)];
    call.release(std::exchange(item, call.take_stored()));
    call.out.nil();
  }
  // Before an index; as in Python every index will do.
  void insert(Invocation& call) {
    const size_t at = clamped(call.take<int64_t>());
    items_.insert(items_.begin() + static_cast<ptrdiff_t>(at), call.take_stored());
    call.out.nil();
  }
  void pop(Invocation& call) {
    if (items_.empty()) throw Invalid("pop from an empty list");
    const size_t at = index(call);
    call.give(items_[at]);
    erase(call, at);
  }
  void erase_at(Invocation& call) {
    erase(call, index(call));
    call.out.nil();
  }
  void slice(Invocation& call) {
    const size_t from = clamped(call.take<int64_t>());
    const size_t to = std::max(from, clamped(call.take<int64_t>()));
    call.out.array(to - from);
    for (size_t i = from; i < to; ++i) call.give(items_[i]);
  }
  void erase_first(Invocation& call) {
    const Stored item = call.take_stored();
    const size_t at = first(item);
    if (at == items_.size()) return call.out.boolean(false);
    erase(call, at);
    call.out.boolean(true);
  }
  void find(Invocation& call) {
    const size_t at = first(call.take_stored());
    at == items_.size() ? call.out.nil() : call.out.unsigned_integer(at);
  }
  void count(Invocation& call) {
    const Stored item = call.take_stored();
    call.out.unsigned_integer(static_cast<uint64_t>(std::ranges::count_if(
        items_, [&item](const Stored& each) { return each.bytes == item.bytes; })));
  }
  void reverse(Invocation& call) {
    std::ranges::reverse(items_);
    call.out.nil();
  }
  void clear(Invocation& call) {
    for (Stored& item : items_) call.release(std::move(item));
    items_.clear();
    call.out.nil();
  }
  void size(Invocation& call) { call.out.unsigned_integer(items_.size()); }
  void update(Invocation& call) {
    Stored& item = items_[index(call)];
    call.release(std::exchange(item, updated(call, &item)));
  }
  // The function has the whole list.
  void update_all(Invocation& call) {
    Encoder all;
    all.array(items_.size());
    for (const Stored& item : items_) all.raw(item.bytes);
    const std::string whole = all.take();
    const Updated made = run_update(call, &whole);
    Cutter cutter(made.bytes, made.held, call.caller);
    Decoder in(made.bytes);
    std::vector<Stored> items(in.array());
    for (Stored& item : items) item = cutter.cut(in.raw());
    for (Stored& item : items_) call.release(std::move(item));
    items_ = std::move(items);
  }

 private:
  static constexpr uint64_t kMostFilled = uint64_t{1} << 30;  // bytes

  size_t index(Invocation& call) {
    const auto given = call.take<int64_t>();
    const auto size = static_cast<int64_t>(items_.size());
    const int64_t at = given < 0 ? given + size : given;
    if (at < 0 || at >= size) throw Invalid(format("index {} of a list of {} items", given, size));
    return static_cast<size_t>(at);
  }
  size_t clamped(int64_t given) const {
    const auto size = static_cast<int64_t>(items_.size());
    return static_cast<size_t>(std::clamp(given < 0 ? given + size : given, int64_t{0}, size));
  }
  size_t first(const Stored& item) const {
    const auto found = std::ranges::find(items_, item.bytes, &Stored::bytes);
    return static_cast<size_t>(found - items_.begin());
  }
  void erase(Invocation& call, size_t at) {
    call.release(std::move(items_[at]));
    items_.erase(items_.begin() + static_cast<ptrdiff_t>(at));
  }

  std::vector<Stored> items_;
};

class Value final : public Referent {
 public:
  explicit Value(Invocation& call) : Referent(value_type()), value_(call.take_stored()) {}

  void get(Invocation& call) { call.give(value_); }
  void set(Invocation& call) {
    call.release(std::exchange(value_, call.take_stored()));
    call.out.nil();
  }
  void update(Invocation& call) { call.release(std::exchange(value_, updated(call, &value_))); }

 private:
  Stored value_;
};

}  // namespace

const ObjectType& dict_type() {
  static const ObjectType type = served_type<Dict>("dict", {{"set", &Dict::set},
                                                            {"set_many", &Dict::set_many},
                                                            {"find", &Dict::find},
                                                            {"find_many", &Dict::find_many},
                                                            {"at", &Dict::at},
                                                            {"set_default", &Dict::set_default},
                                                            {"erase", &Dict::erase},
                                                            {"pop", &Dict::pop},
                                                            {"pop_item", &Dict::pop_item},
                                                            {"update", &Dict::update},
                                                            {"clear", &Dict::clear},
                                                            {"size", &Dict::size},
                                                            {"contains", &Dict::contains},
                                                            {"keys", &Dict::keys},
                                                            {"values", &Dict::values},
                                                            {"items", &Dict::items}});
  return type;
}

const ObjectType& set_type() {
  static const ObjectType type = served_type<Set>("set", {{"add", &Set::add},
                                                          {"erase", &Set::erase},
                                                          {"pop", &Set::pop},
                                                          {"clear", &Set::clear},
                                                          {"size", &Set::size},
                                                          {"contains", &Set::contains},
                                                          {"values", &Set::values},
                                                          {"intersection", &Set::intersection},
                                                          {"difference", &Set::difference}});
  return type;
}

const ObjectType& list_type() {
  static const ObjectType type = served_type<List>("list", {{"append", &List::append},
                                                            {"fill", &List::fill},
                                                            {"at", &List::at},
                                                            {"set", &List::set},
                                                            {"insert", &List::insert},
                                                            {"erase", &List::erase_at},
                                                            {"pop", &List::pop},
                                                            {"slice", &List::slice},
                                                            {"erase_first", &List::erase_first},
                                                            {"find", &List::find},
                                                            {"count", &List::count},
                                                            {"reverse", &List::reverse},
                                                            {"clear", &List::clear},
                                                            {"size", &List::size},
                                                            {"update", &List::update},
                                                            {"update_all", &List::update_all}});
  return type;
}

const ObjectType& value_type() {
  static const ObjectType type = served_type<Value>(
      "value", {{"get", &Value::get}, {"set", &Value::set}, {"update", &Value::update}});
  return type;
}

}  // namespace towpath::managed
