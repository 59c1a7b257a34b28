#pragma once
#include <cstring>
#include <new>
#include <utility>

#include "towpath/message/codec.h"
#include "towpath/shared/typed_memory.h"
#include "towpath/shared/value_lock.h"

namespace towpath {

// A T in memory that the processes of a program share, without a lock. A name: copyable (a copy is
// the same memory), sendable; ends with the last copy in the process that made it.
//
// Locking    none: who reads while another writes may see parts of both. It has no lock() that one
//            could take for granted; synchronized() gives it one.
// Deaths     what a killed process has written stays as it is.
// Errors     Full: no room in /dev/shm. Receiving one that is gone: Closed; of another type:
//            Invalid.
// Threads    any, as far as T's own use lets them.
// Source     Python's multiprocessing.sharedctypes.RawValue; of any C++ type that is only bytes.
template <Shareable T>
class RawValue {
 public:
  explicit RawValue(const T& value = T{}) : RawValue(value, TypedMemory::With::kNothing) {}
  static RawValue open(const Handle& handle) { return RawValue(TypedMemory::open(type(), handle)); }

  T& operator*() const { return *std::launder(reinterpret_cast<T*>(memory_.data())); }
  T* operator->() const { return &**this; }
  T get() const { return **this; }
  void set(const T& value) const { **this = value; }
  const Handle& handle() const { return memory_.handle(); }

 private:
  template <Shareable U>
  friend class Value;
  static TypedMemory::Type type() { return TypedMemory::type<T>(TypedMemory::Shape::kValue); }
  RawValue(const T& value, TypedMemory::With with) : memory_(TypedMemory::create(type(), 1, with)) {
    ::new (memory_.data()) T(value);
  }
  explicit RawValue(TypedMemory memory) : memory_(std::move(memory)) {}

  TypedMemory memory_;
};

// A T in memory that the processes of a program share, with a lock. A name: copyable (a copy is the
// same memory), sendable; ends with the last copy in the process that made it.
//
//   Value<int> count(0);  *count.lock() += 1;
//
// Locking    get and set are each whole. What reads and then writes, as += does, holds the guard of
//            lock() meanwhile. The lock is an RLock of its own, in the same file, or one that is
//            given, which may guard other things as well and lives as its own last copy does.
// Blocking   all wait for the lock; Timeout when that passes.
// Deaths     the end of who holds the lock frees it. The guard of the next lock() says owner_died:
//            the value may be half changed. (A set() before mends that, and says nothing.)
// Cost       get or set 20 ns and no system call while nobody else holds the lock. Each Value is a
//            file with a page of its own: for many values take one Array.
// Errors     as RawValue.
// Threads    any.
// Source     Python's multiprocessing.Value, whose dead holder keeps the lock for ever, and whose
//            value += 1 loses updates without get_lock().
template <Shareable T>
class Value {
 public:
  class Guard;

  explicit Value(const T& value = T{}) : Value(RawValue<T>(value, TypedMemory::With::kLock)) {}
  Value(const T& value, const Lock& lock) : Value(RawValue<T>(value), ValueLock(lock)) {}
  Value(const T& value, const RLock& lock) : Value(RawValue<T>(value), ValueLock(lock)) {}

  T get(Millis timeout = kForever) const {
    const auto held = lock_.guard(raw_.memory_, timeout);
    if (held.owner_died) raw_.memory_.note_death();  // for who asks
    return *raw_;
  }
  void set(const T& value, Millis timeout = kForever) {
    const auto held = lock_.guard(raw_.memory_, timeout);
    *raw_ = value;
  }
  // Ends before the last copy of the Value in this process, in the thread that made it.
  Guard lock(Millis timeout = kForever) & { return {*raw_, lock_.guard(raw_.memory_, timeout)}; }

  // The same memory without the lock.
  RawValue<T> get_obj() const { return raw_; }

 private:
  friend struct Codec<Value<T>>;
  template <Shareable U>
  friend Value<U> synchronized(const RawValue<U>& raw);
  template <Shareable U, class AnyLock>
  friend Value<U> synchronized(const RawValue<U>& raw, const AnyLock& lock);
  explicit Value(RawValue<T> raw) : raw_(std::move(raw)), lock_(*raw_.memory_.lock()) {}
  Value(RawValue<T> raw, ValueLock lock) : raw_(std::move(raw)), lock_(std::move(lock)) {}
  void send(Encoder& out) const { write_shared(out, raw_.memory_, lock_); }
  static Value received(Decoder& in) {
    auto [memory, lock] = read_shared(in, RawValue<T>::type());
    return Value(RawValue<T>(std::move(memory)), std::move(lock));
  }

  RawValue<T> raw_;
  mutable ValueLock lock_;
};

// The value, with its lock held.
template <Shareable T>
class [[nodiscard]] Value<T>::Guard {
 public:
  T& operator*() const { return value_; }
  T* operator->() const { return &value_; }
  const bool owner_died;  // who held the lock died with it: the value may be half changed

 private:
  friend class Value<T>;
  Guard(T& value, ValueLock::Guard held)
      : owner_died(held.owner_died), value_(value), held_(std::move(held)) {}
  T& value_;
  ValueLock::Guard held_;
};

// New memory with the same value. (Copying a RawValue gives the same memory once more.)
template <Shareable T>
RawValue<T> copy(const RawValue<T>& value) {
  return RawValue<T>(*value);
}

// The same memory with a lock: a new RLock, or the one given (Lock or RLock).
template <Shareable T>
Value<T> synchronized(const RawValue<T>& raw) {
  return Value<T>(raw, ValueLock(RLock()));
}
template <Shareable T, class AnyLock>
Value<T> synchronized(const RawValue<T>& raw, const AnyLock& lock) {
  return Value<T>(raw, ValueLock(lock));
}

template <Shareable T>
struct Codec<Value<T>> {
  static void write(Encoder& out, const Value<T>& value) { value.send(out); }
  static Value<T> read(Decoder& in) { return Value<T>::received(in); }
};

}  // namespace towpath
