#include "towpath/channel/descriptor.h"

#include <fcntl.h>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

thread_local OutgoingDescriptors* outgoing = nullptr;
thread_local IncomingDescriptors* incoming = nullptr;

OutgoingDescriptors& require_outgoing() {
  if (outgoing == nullptr) {
    throw NotSerialisable(
        "a Descriptor travels only as an argument of a Process, not as plain bytes");
  }
  return *outgoing;
}

}  // namespace

OutgoingDescriptors::OutgoingDescriptors() : outer_(std::exchange(outgoing, this)) {}
OutgoingDescriptors::~OutgoingDescriptors() { outgoing = outer_; }

void OutgoingDescriptors::sent() noexcept {
  for (const auto& leaving : leaving_) leaving->left();
  leaving_.clear();
}

void OutgoingDescriptors::add(std::unique_ptr<Leaving> leaving) {
  require_outgoing().leaving_.push_back(std::move(leaving));
}

IncomingDescriptors::IncomingDescriptors(std::vector<UniqueFd> fds)
    : outer_(std::exchange(incoming, this)), fds_(std::move(fds)) {}
IncomingDescriptors::~IncomingDescriptors() { incoming = outer_; }

void IncomingDescriptors::decoded() noexcept {
  if (incoming == nullptr) return;
  for (UniqueFd& fd : incoming->given_) (void)fd.release();
  incoming->given_.clear();
}

UniqueFd& IncomingDescriptors::at(int64_t index) {
  if (index < 0 || std::cmp_greater_equal(index, fds_.size()))
    throw Invalid(format("no descriptor number {} came with this message", index));
  UniqueFd& fd = fds_[static_cast<size_t>(index)];
  if (!fd) throw Invalid(format("descriptor number {} was taken before", index));
  return fd;
}

void Codec<Descriptor>::write(Encoder& out, const Descriptor& value) {
  if (value.fd < 0) {
    out.integer(-1);
    return;
  }
  OutgoingDescriptors& all = require_outgoing();
  UniqueFd copy(::fcntl(value.fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) throw_errno(format("fcntl({}, F_DUPFD_CLOEXEC)", value.fd));
  out.integer(static_cast<int64_t>(all.fds_.size()));
  all.fds_.push_back(std::move(copy));
}

Descriptor Codec<Descriptor>::read(Decoder& in) {
  UniqueFd fd = decode_descriptor(in);
  if (!fd) return {};
  return {incoming->given_.emplace_back(std::move(fd)).get()};
}

UniqueFd decode_descriptor(Decoder& in) {
  const int64_t index = in.integer();
  if (index == -1) return {};
  if (incoming == nullptr)
    throw Invalid(format("no descriptor number {} came with this message", index));
  return std::move(incoming->at(index));
}

}  // namespace towpath
