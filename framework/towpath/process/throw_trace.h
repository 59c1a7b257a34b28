#pragma once
#include <string>
#include <typeinfo>
#include <vector>

#include "towpath/process/code_address.h"

namespace towpath {

// Where exceptions are thrown, recorded at the throw, because at the catch the frames are gone.
// Frames within the one that holds this object are recorded.
//
// Cost       a throw takes a microsecond or so a frame more while its thread records; nothing else
//            does.
// Threads    each records for itself.
class RecordThrows {
 public:
  RecordThrows();
  RecordThrows(const RecordThrows&) = delete;
  ~RecordThrows();

 private:
  const void* outer_;
};

// What stands before __cxa_throw calls this first: throw_hook.cc in a program with shared
// libraries, static/throw_hook.cc in one without.
void record_throw(const void* object, const std::type_info* type);

// The frames of the throw of this exception (its most derived object; null: whichever was of that
// type), innermost first. None if this thread did not record it.
std::vector<CodeAddress> throw_frames(const void* exception, const std::type_info& type);

// The frames as text, a line each: "  at load(int) (rows.cc:17)", without those by which Towpath
// came to call the function. Reads the debug information of the program and its libraries once,
// which takes some tenths of a second and tens of megabytes in a large one, and again for a frame
// in a library that was loaded since; without any it shows names, or module and offset.
// Thread-safe.
std::string lines_of(const std::vector<CodeAddress>& frames);

}  // namespace towpath
