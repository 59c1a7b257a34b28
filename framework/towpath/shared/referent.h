#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/shared/manager_protocol.h"

// Objects in a manager's server, and the calls of their methods.

namespace towpath::managed {

class Referent;

// A process that uses the manager.
struct ClientProcess {
  explicit ClientProcess(uint64_t number) : id(number) {}
  const uint64_t id;
  std::atomic<bool> left{false};  // its lease has ended
};

// Thrown where somebody waits on behalf of a client that has ended. No std::exception, so that
// nothing takes it for an error of the call's.
struct CallerGone {};

// Who calls, to those who are called.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual const ClientProcess& client() const = 0;
  // It has ended, or the server is stopping. For those who wait, about ten times a second.
  virtual bool gone() = 0;
  // Unsupported when functions don't travel over this connection.
  virtual void require_functions() const = 0;
  // Closed: it is gone.
  virtual std::shared_ptr<Referent> find(uint64_t object) const = 0;
  // A proxy of it is on its way: it stays for some time yet, whether or not the proxy arrives.
  virtual void keep_for_transit(const std::shared_ptr<Referent>& object) const = 0;
  // Writes a proxy of it, on its way.
  virtual void give_object(Encoder& out, const std::shared_ptr<Referent>& object) const = 0;
  virtual uint64_t instance() const = 0;  // of the server
};

// A value as a client has encoded it; it is decoded by clients only. What proxies in it refer to
// lives as long.
struct Stored {
  std::string bytes;
  std::vector<std::shared_ptr<Referent>> refers{};
};

// Cuts values out of a message, from its beginning to its end.
class Cutter {
 public:
  Cutter(std::string_view message, const std::vector<Held>& held, const Caller& caller)
      : message_(message), next_(held.begin()), end_(held.end()), caller_(caller) {}
  Stored cut(std::string_view part);

 private:
  const std::string_view message_;
  std::vector<Held>::const_iterator next_;  // in the order of the message
  const std::vector<Held>::const_iterator end_;
  const Caller& caller_;
};

// One call of a method.
class Invocation {
 public:
  // `held` are of `message`, in which `arguments`, an array, lies.
  Invocation(std::string_view message, std::string_view arguments, const std::vector<Held>& held,
             Caller& caller);
  Invocation(const Invocation&) = delete;
  ~Invocation();  // what was not taken goes back

  // The next argument. Invalid: of another type, or there is none.
  template <Sendable T>
  T take() {
    take_one();
    return decode<T>(in);
  }
  Stored take_stored();
  Millis take_timeout() { return Millis(take<int64_t>()); }
  // Invalid unless all were taken.
  void require_end() const;
  // Adds the value to the result.
  void give(const Stored& value);
  // Lets it go when nothing is locked any more: what it refers to may end by that.
  void release(Stored&& value);

  Decoder in;
  Encoder out;  // the result: exactly one value
  Caller& caller;
  // Gives back what must not get lost. Empty as soon as the client has said that it has the result.
  std::function<void()> not_taken{};

 private:
  void take_one();
  size_t left_;
  Cutter cutter_;
  std::vector<std::shared_ptr<Referent>> released_;
};

using Method = std::function<void(Referent&, Invocation&)>;

// What a type of objects is called and lets be called.
struct ObjectType {
  struct Exposed {
    Method call;
    const void* tag = nullptr;  // of the member, within this process; see exposes.h
  };
  std::string name{};
  std::function<std::shared_ptr<Referent>(Invocation&)> make{};
  std::map<std::string, Exposed, std::less<>> methods{};
  // Calls on one object may run beside each other; else they follow one another.
  bool concurrent = false;

  std::string exposed() const;  // "add, reset, value"
};

class Referent {
 public:
  explicit Referent(const ObjectType& type) : type_(type) {}
  Referent(const Referent&) = delete;
  virtual ~Referent() = default;
  const ObjectType& type() const { return type_; }
  uint64_t id() const { return id_; }
  // Gives back what the client, which has ended, holds in it.
  virtual void forget(const ClientProcess&) {}

  void call(std::string_view method, Invocation& invocation);

 private:
  friend class ObjectTable;
  const ObjectType& type_;
  uint64_t id_ = 0;
  std::mutex calls_;
};

// Waits under `lock` until it is so; false: not in time. Whoever makes it so notifies `changed`.
template <class Condition, class Lock, class Predicate>
bool wait_for_caller(Condition& changed, Lock& lock, Millis timeout, Caller& caller,
                     Predicate is_so) {
  const Deadline deadline(timeout);
  while (!Deadline(std::min(deadline.left(), Millis{100})).wait(changed, lock, is_so)) {
    if (deadline.passed()) return false;
    if (caller.gone()) throw CallerGone{};
  }
  return true;
}

}  // namespace towpath::managed
