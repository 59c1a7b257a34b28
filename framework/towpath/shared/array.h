#pragma once
#include <concepts>
#include <cstdint>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "towpath/message/codec.h"
#include "towpath/shared/typed_memory.h"
#include "towpath/shared/value_lock.h"

namespace towpath {

namespace arrays {

// Invalid unless index is below size.
void check_index(uint64_t index, uint64_t size, const Handle& handle);
[[noreturn]] void throw_other_size(uint64_t given, uint64_t size, const Handle& handle);

template <class R, class T>
concept RangeOf = std::ranges::input_range<R> &&
    std::convertible_to<std::ranges::range_reference_t<R>, T> && !std::integral<std::decay_t<R>>;

}  // namespace arrays

// So many T in memory that processes share, one behind another, without a lock. A name: copyable (a
// copy is the same memory), sendable; ends with the last copy in the process that made it.
//
// Size       fixed. Elements are zero bytes, unless they are copied from a range.
// All else   as RawValue has it. Indexes are not checked.
// Source     Python's multiprocessing.sharedctypes.RawArray.
template <Shareable T>
class RawArray {
 public:
  // Invalid below 0.
  explicit RawArray(int64_t size) : RawArray(size, TypedMemory::With::kNothing) {}
  // Not for a RawArray, which is a range, too: its copy is the same memory.
  template <arrays::RangeOf<T> R>
  requires(!std::is_same_v<std::remove_cvref_t<R>, RawArray>) explicit RawArray(R&& values)
      : RawArray(std::forward<R>(values), TypedMemory::With::kNothing) {}
  static RawArray open(const Handle& handle) { return RawArray(TypedMemory::open(type(), handle)); }

  uint64_t size() const { return memory_.count(); }
  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  T& operator[](uint64_t index) const { return data()[index]; }
  T* begin() const { return data(); }
  T* end() const { return data() + size(); }
  std::span<T> operator*() const { return {data(), size()}; }
  const Handle& handle() const { return memory_.handle(); }

 private:
  template <Shareable U>
  friend class Array;
  static TypedMemory::Type type() { return TypedMemory::type<T>(TypedMemory::Shape::kArray); }
  RawArray(int64_t size, TypedMemory::With with)
      : memory_(TypedMemory::create(type(), size, with)) {}
  template <arrays::RangeOf<T> R>
  RawArray(R&& values, TypedMemory::With with) : RawArray(size_of(values), with) {
    uint64_t i = 0;
    for (auto&& value : values) data()[i++] = static_cast<T>(value);
  }
  explicit RawArray(TypedMemory memory) : memory_(std::move(memory)) {}
  template <class R>
  static int64_t size_of(R& values) {
    static_assert(std::ranges::sized_range<R> || std::ranges::forward_range<R>,
                  "the range must tell its size, or let itself be walked twice: collect it into a "
                  "vector");
    return static_cast<int64_t>(std::ranges::distance(values));
  }

  TypedMemory memory_;
};

// The same with a lock, as Value has one: get and set of an element are each whole; who changes
// more holds the guard of lock().
//
//   Array<double> prices(1000);  auto all = prices.lock();  std::partial_sum(all.begin(), …);
//
// Source     Python's multiprocessing.Array. Slices are those of the guard's span.
template <Shareable T>
class Array {
 public:
  class Guard;

  explicit Array(int64_t size) : Array(RawArray<T>(size, TypedMemory::With::kLock)) {}
  Array(int64_t size, const Lock& lock) : Array(RawArray<T>(size), ValueLock(lock)) {}
  Array(int64_t size, const RLock& lock) : Array(RawArray<T>(size), ValueLock(lock)) {}
  template <arrays::RangeOf<T> R>
  explicit Array(R&& values)
      : Array(RawArray<T>(std::forward<R>(values), TypedMemory::With::kLock)) {}
  template <arrays::RangeOf<T> R>
  Array(R&& values, const Lock& lock)
      : Array(RawArray<T>(std::forward<R>(values)), ValueLock(lock)) {}
  template <arrays::RangeOf<T> R>
  Array(R&& values, const RLock& lock)
      : Array(RawArray<T>(std::forward<R>(values)), ValueLock(lock)) {}

  uint64_t size() const { return raw_.size(); }
  // Invalid: no such index.
  T get(uint64_t index, Millis timeout = kForever) const {
    arrays::check_index(index, size(), raw_.handle());
    const auto held = hold(timeout);
    return raw_[index];
  }
  void set(uint64_t index, const T& value, Millis timeout = kForever) {
    arrays::check_index(index, size(), raw_.handle());
    const auto held = hold(timeout);
    raw_[index] = value;
  }
  // All of them, at one moment.
  std::vector<T> values(Millis timeout = kForever) const {
    const auto held = hold(timeout);
    return {raw_.begin(), raw_.end()};
  }
  // Invalid: another number of values.
  void assign(std::span<const T> values, Millis timeout = kForever) {
    if (values.size() != size()) arrays::throw_other_size(values.size(), size(), raw_.handle());
    const auto held = hold(timeout);
    std::ranges::copy(values, raw_.begin());
  }
  // Ends before the last copy of the Array in this process, in the thread that made it.
  Guard lock(Millis timeout = kForever) & { return {raw_, lock_.guard(raw_.memory_, timeout)}; }

  // The same memory without the lock.
  RawArray<T> get_obj() const { return raw_; }

 private:
  friend struct Codec<Array<T>>;
  template <Shareable U>
  friend Array<U> synchronized(const RawArray<U>& raw);
  template <Shareable U, class AnyLock>
  friend Array<U> synchronized(const RawArray<U>& raw, const AnyLock& lock);
  explicit Array(RawArray<T> raw) : raw_(std::move(raw)), lock_(*raw_.memory_.lock()) {}
  Array(RawArray<T> raw, ValueLock lock) : raw_(std::move(raw)), lock_(std::move(lock)) {}
  void send(Encoder& out) const { write_shared(out, raw_.memory_, lock_); }
  static Array received(Decoder& in) {
    auto [memory, lock] = read_shared(in, RawArray<T>::type());
    return Array(RawArray<T>(std::move(memory)), std::move(lock));
  }
  ValueLock::Guard hold(Millis timeout) const {
    auto held = lock_.guard(raw_.memory_, timeout);
    if (held.owner_died) raw_.memory_.note_death();  // for who asks
    return held;
  }

  RawArray<T> raw_;
  mutable ValueLock lock_;
};

// The elements, with their lock held.
template <Shareable T>
class [[nodiscard]] Array<T>::Guard {
 public:
  std::span<T> operator*() const { return values_; }
  // Invalid: no such index.
  T& operator[](uint64_t index) const {
    arrays::check_index(index, values_.size(), handle_);
    return values_[index];
  }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  const bool owner_died;  // who held the lock died with it: elements may be half changed

 private:
  friend class Array<T>;
  Guard(const RawArray<T>& raw, ValueLock::Guard held)
      : owner_died(held.owner_died), values_(*raw), handle_(raw.handle()), held_(std::move(held)) {}
  std::span<T> values_;
  const Handle& handle_;
  ValueLock::Guard held_;
};

// New memory with the same elements. (Copying a RawArray gives the same memory once more.)
template <Shareable T>
RawArray<T> copy(const RawArray<T>& array) {
  return RawArray<T>(*array);
}

// The same memory with a lock: a new RLock, or the one given (Lock or RLock).
template <Shareable T>
Array<T> synchronized(const RawArray<T>& raw) {
  return Array<T>(raw, ValueLock(RLock()));
}
template <Shareable T, class AnyLock>
Array<T> synchronized(const RawArray<T>& raw, const AnyLock& lock) {
  return Array<T>(raw, ValueLock(lock));
}

template <Shareable T>
struct Codec<Array<T>> {
  static void write(Encoder& out, const Array<T>& value) { value.send(out); }
  static Array<T> read(Decoder& in) { return Array<T>::received(in); }
};

}  // namespace towpath
