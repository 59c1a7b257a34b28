#pragma once
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

// While it lives, Descriptors encoded by this thread are duplicated into it, in order.
class OutgoingDescriptors {
 public:
  OutgoingDescriptors();
  OutgoingDescriptors(const OutgoingDescriptors&) = delete;
  ~OutgoingDescriptors();
  std::vector<UniqueFd> take() { return std::move(fds_); }

 private:
  friend struct Codec<Descriptor>;
  OutgoingDescriptors* outer_;
  std::vector<UniqueFd> fds_;
};

// While it lives, Descriptors decoded by this thread come out of it. What nobody took is closed.
class IncomingDescriptors {
 public:
  explicit IncomingDescriptors(std::vector<UniqueFd> fds);
  IncomingDescriptors(const IncomingDescriptors&) = delete;
  ~IncomingDescriptors();

 private:
  friend struct Codec<Descriptor>;
  IncomingDescriptors* outer_;
  std::vector<UniqueFd> fds_;
};

template <>
struct Codec<Descriptor> {
  static void write(Encoder& out, const Descriptor& value);
  static Descriptor read(Decoder& in);
};

}  // namespace towpath
