#include "towpath/shared/value_lock.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

ValueLock::ValueLock(const ValueLock&) = default;
ValueLock::ValueLock(ValueLock&&) noexcept = default;
ValueLock& ValueLock::operator=(const ValueLock&) = default;
ValueLock& ValueLock::operator=(ValueLock&&) noexcept = default;
ValueLock::~ValueLock() = default;

ValueLock ValueLock::open(const Handle& handle) {
  if (handle.name.starts_with("rlock-")) return ValueLock(RLock::open(handle));
  return ValueLock(Lock::open(handle));
}

const Handle& ValueLock::handle() const {
  return std::visit([](const auto& lock) -> const Handle& { return lock.handle(); }, lock_);
}

ValueLock::Guard ValueLock::guard(const TypedMemory& memory, Millis timeout) {
  return std::visit(
      [&](auto& lock) {
        auto guard = lock.guard(timeout);
        const bool told_before = memory.take_death();
        const bool died = guard.owner_died || told_before;
        return Guard(std::move(guard), died);
      },
      lock_);
}

void write_shared(Encoder& out, const TypedMemory& memory, const ValueLock& lock) {
  out.array(2);
  out.string(memory.handle().text());
  OutgoingNames::note(memory);
  if (memory.lock() && memory.handle() == lock.handle()) {
    out.nil();
  } else {
    encode(out, lock);
  }
}

std::pair<TypedMemory, ValueLock> read_shared(Decoder& in, const TypedMemory::Type& type) {
  in.array(2);
  TypedMemory memory = TypedMemory::open(type, Handle::parse(in.string()));
  if (in.peek() != Decoder::Kind::kNil) {
    auto lock = decode<ValueLock>(in);
    return {std::move(memory), std::move(lock)};
  }
  in.nil();
  if (!memory.lock()) {
    throw Invalid(format("{} has no lock: it is a RawValue or RawArray of {}", memory.handle().name,
                         type.text()));
  }
  ValueLock lock(*memory.lock());
  return {std::move(memory), std::move(lock)};
}

}  // namespace towpath
