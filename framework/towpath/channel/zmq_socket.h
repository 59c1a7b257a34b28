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
  void set(int option, int value);
  void set(int option, int64_t value);
  void set(int option, std::string_view value);
  int get(int option) const;
  void bind(const std::string& address);
  void connect(const std::string& address);

  enum class Sent { kYes, kNoRoom, kNoPeer };
  // Never waits.
  Sent send(std::string_view part, bool more_follow);
  struct Part {
    std::string bytes;
    bool more_follow;
  };
  // Never waits; nothing there: nullopt.
  std::optional<Part> receive();

  // Of a socket that is connected to a monitor: its newest event. Never waits; 0: none.
  int receive_event();

 private:
  void* socket_ = nullptr;
  pid_t owner_;
};

// "ipc:///run/…": Invalid when it is no address, or too long for the kernel (107 bytes of path).
void check_address(std::string_view address);

}  // namespace towpath
