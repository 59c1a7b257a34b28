#pragma once
#include <string>
#include <utility>
#include <variant>

#include "towpath/base/clock.h"
#include "towpath/message/codec.h"
#include "towpath/shared/typed_memory.h"
#include "towpath/sync/lock.h"
#include "towpath/sync/rlock.h"

namespace towpath {

// The lock that guards a Value or Array: an RLock of its own, or one it was given.
class ValueLock {
 public:
  explicit ValueLock(RLock lock) : lock_(std::move(lock)) {}
  explicit ValueLock(Lock lock) : lock_(std::move(lock)) {}
  // Not inline: g++ 12 warns of a moved variant where users' targets take a Value.
  ValueLock(const ValueLock&);
  ValueLock(ValueLock&&) noexcept;
  ValueLock& operator=(const ValueLock&);
  ValueLock& operator=(ValueLock&&) noexcept;
  ~ValueLock();
  // Invalid: no lock.
  static ValueLock open(const Handle& handle);
  const Handle& handle() const;

  // Held; see RLock::Guard and Lock::Guard. `owner_died` is of `memory`, too: what a get() or set()
  // was told before and had nobody to tell.
  class [[nodiscard]] Guard {
   public:
    const bool owner_died;

   private:
    friend class ValueLock;
    using Any = std::variant<RLock::Guard, Lock::Guard>;
    Guard(Any guard, bool died) : owner_died(died), guard_(std::move(guard)) {}
    Any guard_;
  };
  Guard guard(const TypedMemory& memory, Millis timeout);

 private:
  std::variant<RLock, Lock> lock_;
};

// As it travels: the memory's name, and the lock's when it is not in the same file.
void write_shared(Encoder& out, const TypedMemory& memory, const ValueLock& lock);
std::pair<TypedMemory, ValueLock> read_shared(Decoder& in, const TypedMemory::Type& type);

}  // namespace towpath
