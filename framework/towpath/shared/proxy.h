#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "towpath/message/codec.h"
#include "towpath/shared/manager_client.h"

namespace towpath {

// A name for an object that lives in a manager's process: what all proxies have. Copyable (a copy
// is the same object), sendable: through queues, pipes, as an argument of a Process, and into other
// objects of the manager.
//
// Lifetime   the object lives until its last proxy is gone, in all processes and in all objects of
//            the manager; a proxy on its way counts for a minute (ManagerOptions.transit) from its
//            sending. Two objects that hold each other live as long as the manager.
// Blocking   each call waits for its answer; the end of a proxy does not. Calls of several threads
//            and processes run beside each other; those on one object follow one another, unless
//            its methods wait for something.
// Errors     what the method threw, in the manager: exceptions of Towpath and of the standard
//            library as themselves, others as RemoteError; remote_of() has type, message, trace.
//            Closed: the manager has ended, or the object. Invalid: the result is of another type.
// Deaths     of a process that has proxies: they are gone with it, and what it held by them is
//            given back. Of the manager: Closed, which names it, also in calls that wait.
// Threads    any.
// Fork       a child has its parent's proxies, if the object lives when it first uses them.
// Trust      a proxy that is sent holds no key that another program could use; there the receiver
//            has connected to the manager before, by whatever address.
// Cost       a call is a round trip to the manager: 20 to 40 µs on one host. Many items go at once.
class Proxy {
 public:
  uint64_t id() const { return reference_->object(); }
  // Its address.
  const std::string& manager() const { return reference_->where().address; }
  // The same object.
  bool operator==(const Proxy& other) const {
    return id() == other.id() && reference_->where().instance == other.reference_->where().instance;
  }

 protected:
  // `type` is checked by who receives it.
  Proxy(std::shared_ptr<managed::Reference> reference, std::string_view type);
  Proxy(const Proxy&) = default;
  Proxy(Proxy&&) = default;
  Proxy& operator=(const Proxy&) = default;
  Proxy& operator=(Proxy&&) = default;
  ~Proxy() = default;

  template <class R, class... A>
  R call(std::string_view method, const A&... arguments) const {
    return managed::call_object<R>(reference_->client(), id(), method, arguments...);
  }
  std::shared_ptr<managed::ManagerClient> client() const { return reference_->client(); }

 private:
  template <class T>
  friend struct Codec;
  friend class Manager;
  void send(Encoder& out) const;
  static std::shared_ptr<managed::Reference> received(Decoder& in, std::string_view type);

  std::shared_ptr<managed::Reference> reference_;
  std::string type_;
};

// What a proxy class has: kType, the name of what it can refer to (empty: anything), and a
// constructor of a reference.
template <std::derived_from<Proxy> P>
struct Codec<P> {
  static void write(Encoder& out, const P& value) { static_cast<const Proxy&>(value).send(out); }
  static P read(Decoder& in) { return P(Proxy::received(in, P::kType)); }
};

namespace managed {

// What may not be there, as it travels: an array of it, or of nothing.
template <class T>
struct Found {
  std::optional<T> value;
};

}  // namespace managed

template <Sendable T>
struct Codec<managed::Found<T>> {
  static void write(Encoder& out, const managed::Found<T>& found) {
    out.array(found.value ? 1 : 0);
    if (found.value) encode(out, *found.value);
  }
  static managed::Found<T> read(Decoder& in) {
    if (in.array() == 0) return {};
    return {decode<T>(in)};
  }
};

}  // namespace towpath
