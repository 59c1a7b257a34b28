#include "towpath/shared/typed_memory.h"

#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/memory/session_file.h"
#include "towpath/process/remote_error.h"

namespace towpath {
namespace {

constexpr std::string_view kKind = "value";

// FNV-1a: the same in every process of a program, which std::hash doesn't promise.
uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

std::string TypedMemory::Type::text() const {
  return type_name(element) + (shape == Shape::kArray ? "[]" : "");
}

// A file of its own, or an RLock with memory beside it.
struct TypedMemory::Place {
  SessionFile file;
  std::optional<RLock> lock;
  std::span<std::byte> bytes() const { return lock ? lock->memory() : file.bytes(); }
};

TypedMemory::TypedMemory(Place place) : place_(std::make_shared<const Place>(std::move(place))) {
  const std::span<std::byte> bytes = place_->bytes();
  if (bytes.size() < sizeof(Head)) {
    throw Invalid(format("{} is no Value or Array, only a lock", handle().name));
  }
  head_ = reinterpret_cast<Head*>(bytes.data());
  data_ = bytes.data() + sizeof(Head);
}

const Handle& TypedMemory::handle() const {
  return place_->lock ? place_->lock->handle() : place_->file.handle();
}
const RLock* TypedMemory::lock() const { return place_->lock ? &*place_->lock : nullptr; }

TypedMemory TypedMemory::create(const Type& type, int64_t count, With with) {
  if (count < 0) throw Invalid(format("{}: a size of {}; 0 is the least", type.text(), count));
  const auto elements = static_cast<uint64_t>(count);
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / 2);
  if (elements > kMost / type.size) {
    throw Invalid(format("{}: a size of {}, of {} bytes each", type.text(), count, type.size));
  }
  const uint64_t bytes = sizeof(Head) + elements * type.size;
  Place place;
  if (with == With::kLock) {
    place.lock = RLock::with_memory(bytes);
  } else {
    place.file = SessionFile::create(kKind, bytes);
  }
  TypedMemory made(std::move(place));
  made.count_ = elements;
  made.head_->shape = static_cast<uint32_t>(type.shape);
  made.head_->count = elements;
  made.head_->element_size = type.size;
  made.head_->element_name = hash_of(type.element.name());
  return made;
}

TypedMemory TypedMemory::open(const Type& type, const Handle& handle) {
  Place place;
  if (handle.name.starts_with("rlock-")) {
    place.lock = RLock::open(handle);
  } else {
    place.file = SessionFile::open(kKind, handle);
  }
  TypedMemory opened(std::move(place));
  const Head& head = *opened.head_;
  // The count is read once: what another process writes there later moves nothing here.
  opened.count_ = head.count;
  if (head.shape != static_cast<uint32_t>(type.shape) || head.element_size != type.size ||
      head.element_name != hash_of(type.element.name()) ||
      opened.count_ > (opened.place_->bytes().size() - sizeof(Head)) / type.size) {
    throw Invalid(format("{} is not a {}: open it as what it was made", handle.name, type.text()));
  }
  return opened;
}

}  // namespace towpath
