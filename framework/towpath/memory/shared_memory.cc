#include "towpath/memory/shared_memory.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr std::string_view kKind = "memory";

}  // namespace

SharedMemory::SharedMemory(SessionFile file)
    : file_(std::move(file)),
      handle_(file_.handle()),
      name_(file_.name()),
      size_(file_.bytes().size()) {}

SharedMemory SharedMemory::create(int64_t size, std::optional<std::string_view> name) {
  if (size <= 0) throw Invalid(format("SharedMemory: a size of {}; 1 byte is the least", size));
  const auto bytes = static_cast<uint64_t>(size);
  return SharedMemory(name ? SessionFile::create_named(kKind, *name, bytes)
                           : SessionFile::create(kKind, bytes));
}

SharedMemory SharedMemory::open(std::string_view name) {
  return SharedMemory(SessionFile::open_named(kKind, name));
}

SharedMemory SharedMemory::open(const Handle& handle) {
  return SharedMemory(SessionFile::open(kKind, handle));
}

std::span<std::byte> SharedMemory::buf() const {
  if (!file_) throw Closed(format("SharedMemory {}: buf() after close()", name_));
  return file_.bytes();
}

void SharedMemory::unlink() {
  if (!file_) throw Closed(format("SharedMemory {}: unlink() after close()", name_));
  file_.unlink();
}

}  // namespace towpath
