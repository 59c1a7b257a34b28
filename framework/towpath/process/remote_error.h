#pragma once
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/message/codec.h"
#include "towpath/process/code_address.h"

namespace towpath {

// An exception on its way from one process to another: plain data, whatever it was.
struct RemoteTrace {
  std::string type{};      // of the exception, e.g. "std::out_of_range"
  std::string message{};   // its what(); empty for what is no std::exception
  std::string trace{};     // where it was thrown, a frame a line, innermost first; empty: not known
  std::string worker{};    // "Pool-1#2 (pid 4711)"
  int64_t task = -1;       // its number, -1: none
  int64_t code = 0;        // of a std::system_error; errno of a SystemError
  std::string category{};  // of a std::system_error
  // Where it was thrown, as it travels within a program: exception_of() makes `trace` of it, so
  // that not every worker needs the program's debug information.
  std::vector<CodeAddress> frames{};
  TOWPATH_FIELDS(type, message, trace, worker, task, code, category, frames)
};

// An exception of another process whose type this one can't make again: of the user's own, or of
// none that derives from std::exception. what() shows all of its trace.
class RemoteError : public Error {
 public:
  explicit RemoteError(RemoteTrace trace);
  const RemoteTrace& remote() const { return *remote_; }

 private:
  std::shared_ptr<const RemoteTrace> remote_;  // shared, because an exception is copied
};

// Where an exception came from, when that was another process; null: from this one. Exceptions of
// the standard library and of Towpath arrive as themselves, with the same what(); this is how to
// see their trace.
const RemoteTrace* remote_of(const std::exception& error);

// The exception being handled (call it in a catch block), as data. `worker` and `task` are the
// caller's to fill in; an exception that has come from another process keeps its own.
RemoteTrace trace_of_current_exception();

// Makes `trace` of `frames` now: for a receiver that runs another program, to which an address in
// this one's code says nothing. exception_of() does it for the others.
void show_frames(RemoteTrace& trace);

// The data as an exception again.
std::exception_ptr exception_of(RemoteTrace trace);

// "std::out_of_range: no such row"; "an exception of type int" of what has no text.
std::string summary_of(const RemoteTrace& trace);

// That, as a log shows it; worker and trace's lines behind it.
std::string text_of(const RemoteTrace& trace);

// A type's name as it is written in a program.
std::string type_name(const std::type_info& type);

}  // namespace towpath
