#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/channel/connection.h"
#include "towpath/message/codec.h"
#include "towpath/shared/manager_protocol.h"

namespace towpath::managed {

class Reference;

// A manager's server as a process uses it; one object a process and server. See manager_protocol.h.
//
// Errors     Closed, which names the manager: it has ended, or another is at its address.
// Threads    any.
// Fork       a child makes its own.
class ManagerClient : public std::enable_shared_from_this<ManagerClient> {
 public:
  // The one of this process, or a new one, which connects. Timeout.
  static std::shared_ptr<ManagerClient> of(const Where& where, Millis timeout = kForever);
  ~ManagerClient();

  const Where& where() const { return where_; }
  const Welcome& server() const { return server_; }
  std::string text() const;  // "Manager-1 (pid 4711, ipc:///...)"

  // A reference to an object that lives: this process's, or a new one.
  std::shared_ptr<Reference> take(uint64_t object);
  // The server counts one for this process already.
  std::shared_ptr<Reference> adopt(uint64_t object);
  // A proxy of it is on its way.
  void keep_for_transit(uint64_t object);

 private:
  friend class Exchange;
  friend class Reference;
  struct Line {
    Connection connection;
    Encoder encoder;
  };
  struct Clients;
  explicit ManagerClient(Where where) : where_(std::move(where)) {}
  std::unique_ptr<Line> connect(bool lease, Millis timeout);
  std::unique_ptr<Line> borrow();
  void give_back(std::unique_ptr<Line> line);
  void drop(uint64_t object) noexcept;
  void say_dropped();
  void tell(std::string_view method, uint64_t object);
  [[noreturn]] void throw_ended() const;
  // Of a call whose connection has ended: throw_ended(), unless the manager lives.
  [[noreturn]] void throw_cut_off();
  std::shared_ptr<Reference> add_reference(uint64_t object);

  Where where_;
  Welcome server_;
  uint64_t id_ = 0;
  std::mutex lease_mutex_;
  std::unique_ptr<Line> lease_;
  std::atomic<bool> ended_ = false;  // the lease has
  std::mutex dropped_mutex_;
  std::vector<uint64_t> dropped_;  // that the server was not told of
  bool stuck_ = false;             // it does not read: no destructor waits for that again
  std::mutex idle_mutex_;
  std::vector<std::unique_ptr<Line>> idle_;
  std::mutex references_mutex_;
  std::map<uint64_t, std::weak_ptr<Reference>> references_;
  size_t swept_at_ = 64;  // how many there may be before those that ended are looked for
};

// Keeps an object at the server.
class Reference {
 public:
  Reference(std::shared_ptr<ManagerClient> client, uint64_t object);
  Reference(const Reference&) = delete;
  ~Reference();
  const Where& where() const { return where_; }
  uint64_t object() const { return object_; }
  // In a child of fork this connects, and takes a reference of its own. Closed: the object is gone.
  std::shared_ptr<ManagerClient> client() const;

 private:
  const Where where_;
  const uint64_t object_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<ManagerClient> client_;
  mutable uint32_t generation_;
};

// While it lives, proxies that this thread encodes into `encoder` and that are of this server are
// noted: the server holds on to what they refer to. (Others keep it alive for their transit.)
class OutgoingReferences {
 public:
  OutgoingReferences(const Encoder& encoder, uint64_t instance);
  OutgoingReferences(const OutgoingReferences&) = delete;
  ~OutgoingReferences();
  const std::vector<Held>& held() const { return held_; }
  // True: noted.
  static bool note(const Encoder& encoder, uint64_t instance, uint64_t object);

 private:
  const Encoder& encoder_;
  const uint64_t instance_;
  std::vector<Held> held_;
  OutgoingReferences* const outer_;
};

// One call: encode so many arguments into out(), then run(). The result is valid as long as this.
class Exchange {
 public:
  Exchange(std::shared_ptr<ManagerClient> client, uint64_t object, std::string_view method,
           size_t arguments);
  Exchange(const Exchange&) = delete;
  ~Exchange();
  Encoder& out() { return line_->encoder; }
  // Throws what the method has thrown.
  Decoder& run();
  // The result is decoded. If this ends without, the server takes back what must not get lost.
  void taken() { say(true); }

 private:
  void say(bool taken);
  std::shared_ptr<ManagerClient> client_;
  std::unique_ptr<ManagerClient::Line> line_;
  OutgoingReferences outgoing_;
  std::optional<Connection::Received> reply_;
  std::optional<Decoder> result_;
  bool is_asked_ = false;  // whether the result is taken
};

// Reads a reply; throws what it says was thrown.
Reply read_reply(Decoder& in, const std::string& manager);

template <class R, class... A>
R call_object(const std::shared_ptr<ManagerClient>& client, uint64_t object,
              std::string_view method, const A&... arguments) {
  Exchange exchange(client, object, method, sizeof...(A));
  (encode(exchange.out(), arguments), ...);
  Decoder& result = exchange.run();
  if constexpr (std::is_void_v<R>) {
    result.nil();
    exchange.taken();
  } else {
    auto value = decode<R>(result);
    exchange.taken();
    return value;
  }
}

}  // namespace towpath::managed
