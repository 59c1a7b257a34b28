#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace towpath {

// A ZeroMQ socket, as this layer uses them: errors become Errors, EINTR never shows. The process's
// one context opens with the first socket, and again in a child of fork, which must not touch its
// parent's. SystemError when the process may not have the threads of a context.
class ZmqSocket {
 public:
  explicit ZmqSocket(int type);
  ZmqSocket(const ZmqSocket&) = delete;
  ~ZmqSocket();

  void* handle() const { return socket_; }
  bool is_ours() const;  // false in a child of fork, where nothing of it may be touched
  void set(int option, int value);
  void set(int option, int64_t value);
  void set(int option, std::string_view value);
  int get(int option) const;
  std::string endpoint() const;  // the last that was bound, with the port that was chosen
  void bind(const std::string& address);
  void connect(const std::string& address);

  enum class Sent { kYes, kNoRoom, kNoPeer };
  // Never waits.
  Sent send(std::string_view part, bool more_follow);
  // The same for the last part of a message, which is not copied when it is large.
  Sent send_whole(std::string part);
  struct Part {
    std::string bytes;
    bool more_follow;
  };
  // Never waits; nothing there: nullopt. `peer` is given the sender's IP address, if it has one.
  std::optional<Part> receive(std::string* peer = nullptr);

 private:
  void* socket_ = nullptr;
  pid_t owner_;
};

// Tells what becomes of a socket's connections.
class ZmqMonitor {
 public:
  // `events`: ZMQ_EVENT_… of interest.
  ZmqMonitor(ZmqSocket& socket, int events);
  ZmqMonitor(const ZmqMonitor&) = delete;
  ~ZmqMonitor();  // before the socket's end

  void* handle() const { return events_.handle(); }  // readable: next() has something
  // The next event. Never waits; 0: none.
  int next();

 private:
  ZmqSocket& socket_;
  ZmqSocket events_;
};

// The connection has ended, or never began.
extern const int kZmqConnectionEnded;

}  // namespace towpath
