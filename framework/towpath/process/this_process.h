#pragma once
#include <optional>
#include <string>

#include "towpath/base/clock.h"
#include "towpath/base/program_key.h"

namespace towpath {

// This process, as its parent's Process object shows it. Threads: any.
class CurrentProcess {
 public:
  // "MainProcess" in the program itself; in a child the name of its Process object.
  std::string name() const;
  int pid() const;
  bool daemon() const;  // false in the program itself
  bool is_alive() const { return true; }
  std::optional<int> exitcode() const { return std::nullopt; }
  // The program's, unless it was set; children inherit it.
  AuthKey authkey() const { return program_key(); }
  void set_authkey(const AuthKey& key) const { set_program_key(key); }
};

CurrentProcess current_process();

// The process that started this one.
//
// Ending   the kernel kills a child of a dead parent, unless Options.outlives_parent was set: so
//          this is for those, and for others that want to end in order where the parent is merely
//          about to.
// Threads  any.
// Source   Python's multiprocessing.parent_process, where a child always lives on.
class ParentProcess {
 public:
  std::string name() const;
  int pid() const;  // of another process, once the parent has ended and was reaped
  bool is_alive() const;
  // Waits for its end: true when it has ended.
  bool join(Millis timeout = kForever) const;
  // Readable (hung up) once it has ended.
  int sentinel() const;
};

// None in the program itself.
std::optional<ParentProcess> parent_process();

}  // namespace towpath
