#pragma once
#include <memory>
#include <vector>

#include "towpath/base/unique_fd.h"
#include "towpath/message/codec.h"

namespace towpath {

// An open descriptor as an argument to another process: alone, or inside a struct, vector,
// optional.
//
// Ownership  encoding duplicates it, so the sender keeps and closes its own. The receiver gets a
//            new number, close-on-exec, that it owns and closes. -1 is none and arrives as -1.
// Errors     NotSerialisable where only bytes travel, e.g. in a queue.
struct Descriptor {
  int fd = -1;
};

// What is given away with a message, such as an end of a connection: it has left when that is on
// its way. One that ends before has stayed, as it was.
class Leaving {
 public:
  virtual ~Leaving() = default;
  virtual void left() noexcept = 0;
};

// While it lives, Descriptors encoded by this thread are duplicated into it, in order.
class OutgoingDescriptors {
 public:
  OutgoingDescriptors();
  OutgoingDescriptors(const OutgoingDescriptors&) = delete;
  ~OutgoingDescriptors();
  std::vector<UniqueFd> take() { return std::move(fds_); }
  // The message is on its way.
  void sent() noexcept;
  // Of the message that this thread encodes. NotSerialisable where only bytes travel.
  static void add(std::unique_ptr<Leaving> leaving);

 private:
  friend struct Codec<Descriptor>;
  OutgoingDescriptors* outer_;
  std::vector<UniqueFd> fds_;
  std::vector<std::unique_ptr<Leaving>> leaving_;
};

// While it lives, Descriptors decoded by this thread come out of it. What nobody took is closed,
// and so are the numbers that were given out, unless all was decoded.
class IncomingDescriptors {
 public:
  explicit IncomingDescriptors(std::vector<UniqueFd> fds);
  IncomingDescriptors(const IncomingDescriptors&) = delete;
  ~IncomingDescriptors();
  // All that this thread was to decode; from here on the numbers are their receiver's to close.
  static void decoded() noexcept;

 private:
  friend struct Codec<Descriptor>;
  friend UniqueFd decode_descriptor(Decoder& in);
  UniqueFd& at(int64_t index);

  IncomingDescriptors* outer_;
  std::vector<UniqueFd> fds_;
  std::vector<UniqueFd> given_;  // by number
};

template <>
struct Codec<Descriptor> {
  static void write(Encoder& out, const Descriptor& value);
  static Descriptor read(Decoder& in);
};

// A Descriptor that is owned from the moment it is decoded.
UniqueFd decode_descriptor(Decoder& in);

}  // namespace towpath
