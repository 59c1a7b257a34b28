#pragma once
#include <string>
#include <typeinfo>

namespace towpath {

// Where exceptions are thrown, recorded at the throw, because at the catch the frames are gone.
//
// Cost       a throw takes some microseconds more while a thread records, nothing else does.
// Threads    each records for itself.
class RecordThrows {
 public:
  RecordThrows();
  RecordThrows(const RecordThrows&) = delete;
  ~RecordThrows();

 private:
  bool outer_;
};

// The frames of the throw of this exception (its most derived object; null: whichever was of that
// type), innermost first, a line each: "  at load(int) (rows.cc:17)". Empty if this thread did not
// record it.
std::string throw_trace(const void* exception, const std::type_info& type);

}  // namespace towpath
