#pragma once
#include <memory>
#include <utility>
#include <vector>

namespace towpath {

// While it lives, what this thread encodes as its name (a lock, a queue, shared memory), however
// deep inside a struct or vector, is copied into it: such a thing ends with its last copy, and who
// sends a name may let go of it before the receiver has opened it.
class OutgoingNames {
 public:
  using Copies = std::vector<std::shared_ptr<const void>>;

  OutgoingNames();
  OutgoingNames(const OutgoingNames&) = delete;
  ~OutgoingNames();
  Copies take() { return std::move(copies_); }

  template <class T>
  static void note(const T& named) {
    if (OutgoingNames* const it = current())
      it->copies_.push_back(std::make_shared<const T>(named));
  }

 private:
  static OutgoingNames* current();
  OutgoingNames* outer_;
  Copies copies_;
};

}  // namespace towpath
