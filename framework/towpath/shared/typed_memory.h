#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <typeinfo>

#include "towpath/base/handle.h"
#include "towpath/sync/rlock.h"

namespace towpath {

// What can lie in memory that processes share: its bytes are all there is to it. A pointer would
// point nowhere in another process; inside a struct nobody sees it, so keep none there.
template <class T>
concept Shareable = std::is_trivially_copyable_v<T> && std::is_object_v<T> &&
                    std::is_same_v<T, std::remove_cv_t<T>> && !std::is_array_v<T> &&
                    !std::is_pointer_v<T> && !std::is_member_pointer_v<T> && alignof(T) <= 64;

// The memory of a Value or Array: so many elements of one type, and a head that says so. A name.
//
// Errors     open: Closed, when it is gone; Invalid, when it holds another type or shape.
// Threads    any may copy, open, destroy. The bytes are the owner's business.
class TypedMemory {
 public:
  enum class Shape : uint8_t { kValue, kArray };
  struct Type {
    const std::type_info& element;
    uint64_t size;  // of an element
    Shape shape;
    std::string text() const;  // "int", "Point[]"
  };
  template <Shareable T>
  static Type type(Shape shape) {
    return {typeid(T), sizeof(T), shape};
  }

  // All bytes are zero. With a lock: an RLock in the same file.
  enum class With : uint8_t { kNothing, kLock };
  // Invalid below 0 elements. Full: no room in /dev/shm.
  static TypedMemory create(const Type& type, int64_t count, With with);
  static TypedMemory open(const Type& type, const Handle& handle);

  std::byte* data() const { return data_; }
  uint64_t count() const { return count_; }
  const Handle& handle() const;
  const RLock* lock() const;  // null: none in the same file

  // Who held the lock died with it, and nobody has been told yet.
  void note_death() const { head_->half_changed.store(1, std::memory_order_relaxed); }
  bool take_death() const {
    return head_->half_changed.load(std::memory_order_relaxed) != 0 &&
           head_->half_changed.exchange(0, std::memory_order_relaxed) != 0;
  }

 private:
  struct alignas(64) Head {
    std::atomic<uint32_t> half_changed;
    uint32_t shape;
    uint64_t count;
    uint64_t element_size;
    uint64_t element_name;  // hashed
  };
  struct Place;
  explicit TypedMemory(Place place);

  std::shared_ptr<const Place> place_;
  Head* head_;
  std::byte* data_;
  uint64_t count_ = 0;
};

}  // namespace towpath
