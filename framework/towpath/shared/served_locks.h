#pragma once
#include <condition_variable>

#include "towpath/shared/referent.h"
#include "towpath/sync/acquired.h"

namespace towpath::managed {

// Which thread of which client.
struct HolderThread {
  uint64_t client = 0;
  uint64_t thread = 0;
  bool operator==(const HolderThread&) const = default;
};

// A Lock or RLock.
class ServedLock : public Referent {
 public:
  enum class Kind : uint8_t { kLock, kRLock };
  ServedLock(Kind kind, const ObjectType& type) : Referent(type), kind_(kind) {}

  // So many levels at once.
  Acquired acquire(HolderThread me, Millis timeout, Caller& caller, uint32_t depth = 1);
  // Undoes an acquire() whose client never said that it has the answer.
  void not_taken(HolderThread me, uint32_t depth);
  void release(HolderThread me, const ClientProcess& client);
  bool held_by(HolderThread who);
  // All levels, which are returned.
  uint32_t let_go(HolderThread me);
  void forget(const ClientProcess& client) override;

  void serve_acquire(Invocation& call);
  void serve_release(Invocation& call);
  void serve_locked(Invocation& call);

 private:
  void set_free();

  const Kind kind_;
  std::mutex mutex_;
  std::condition_variable changed_;
  HolderThread holder_;  // depth 0: nobody
  uint32_t depth_ = 0;
  bool died_ = false;  // who held it last died with it
};

// The thread that is the next argument.
HolderThread take_holder(Invocation& call);

}  // namespace towpath::managed
