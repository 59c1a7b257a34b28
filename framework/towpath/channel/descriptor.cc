#include "towpath/channel/descriptor.h"

#include <fcntl.h>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

thread_local OutgoingDescriptors* outgoing = nullptr;
thread_local IncomingDescriptors* incoming = nullptr;

}  // namespace

OutgoingDescriptors::OutgoingDescriptors() : outer_(std::exchange(outgoing, this)) {}
OutgoingDescriptors::~OutgoingDescriptors() { outgoing = outer_; }

IncomingDescriptors::IncomingDescriptors(std::vector<UniqueFd> fds)
    : outer_(std::exchange(incoming, this)), fds_(std::move(fds)) {}
IncomingDescriptors::~IncomingDescriptors() { incoming = outer_; }

void Codec<Descriptor>::write(Encoder& out, const Descriptor& value) {
  if (value.fd < 0) {
    out.integer(-1);
    return;
  }
  if (outgoing == nullptr) {
    throw NotSerialisable(
        "a Descriptor travels only as an argument of a Process, not as plain bytes");
  }
  UniqueFd copy(::fcntl(value.fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) throw_errno(format("fcntl({}, F_DUPFD_CLOEXEC)", value.fd));
  out.integer(static_cast<int64_t>(outgoing->fds_.size()));
  outgoing->fds_.push_back(std::move(copy));
}

Descriptor Codec<Descriptor>::read(Decoder& in) {
  const int64_t index = in.integer();
  if (index == -1) return {};
  if (incoming == nullptr || index < 0 || std::cmp_greater_equal(index, incoming->fds_.size())) {
    throw Invalid(format("no descriptor number {} came with this message", index));
  }
  const int fd = incoming->fds_[static_cast<size_t>(index)].release();
  if (fd < 0) throw Invalid(format("descriptor number {} was taken before", index));
  return {fd};
}

}  // namespace towpath
