#pragma once
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/base/unique_fd.h"
#include "towpath/message/codec.h"

namespace towpath {

// One end of a connection, as one transport makes it; the inside of Connection.
//
// Threads    Connection lets one thread at a time send and one receive (or poll); these two may run
//            beside each other, and interrupt() beside both.
// Errors     Closed, EndOfStream, Invalid as Connection has them.
class Link {
 public:
  virtual ~Link() = default;

  virtual bool sends() const = 0;
  virtual bool receives() const = 0;

  // Queues one message; waits for room. False: there was none in time, and nothing of it counts.
  virtual bool send(std::string_view bytes, std::vector<UniqueFd> fds,
                    const Deadline& deadline) = 0;

  // Memory for the next message, of so many bytes, which send() does not copy when it is called
  // with it. Empty: there is none for such a size. nullopt: no room in time.
  virtual std::optional<std::span<char>> reserve(uint64_t bytes, const Deadline& deadline) = 0;

  struct Incoming {
    std::string_view bytes;  // where they lie, until done()
    std::vector<UniqueFd> fds;
  };
  // The next message; nullopt: none in time. Each is followed by a done().
  virtual std::optional<Incoming> receive(const Deadline& deadline) = 0;
  virtual void done() noexcept = 0;
  virtual bool poll(const Deadline& deadline) = 0;
  virtual int fileno() = 0;

  // The end travels to another process in two steps: what it takes there, after which it is still
  // of use here; then, when that has left, it is not.
  virtual void encode_end(Encoder& out) = 0;
  virtual void let_go() noexcept = 0;
  // It is closed here for good: the peer learns it, and who waits in this end wakes up.
  virtual void interrupt() noexcept = 0;
};

// The first value of an encoded end: which transport reads the rest.
enum class LinkKind : uint8_t { kRing, kZeroMq };

}  // namespace towpath
