#include "towpath/process/this_process.h"

#include <unistd.h>

#include "towpath/base/format.h"
#include "towpath/channel/wait.h"
#include "towpath/process/identity.h"
#include "towpath/process/job.h"

namespace towpath {

// Never destroyed: statics of other files may ask at exit.
Identity& this_identity() {
  static auto* const it = new Identity;
  return *it;
}

void become_child(const Job& job, PrivateFd line) {
  Identity& self = this_identity();
  self.name = job.name;
  self.daemon = job.daemon;
  self.parent = static_cast<pid_t>(job.parent);
  self.parent_name = job.parent_name;
  self.line = std::move(line);
  self.children = 0;
  self.method = job.default_method;
  self.method_was_set = false;
}

std::string next_child_name() {
  Identity& self = this_identity();
  const int number = ++self.children;
  return self.parent == 0 ? format("Process-{}", number) : format("{}:{}", self.name, number);
}

CurrentProcess current_process() { return {}; }

std::string CurrentProcess::name() const { return this_identity().name; }
int CurrentProcess::pid() const { return ::getpid(); }
bool CurrentProcess::daemon() const { return this_identity().daemon; }

std::optional<ParentProcess> parent_process() {
  if (this_identity().parent == 0) return std::nullopt;
  return ParentProcess();
}

std::string ParentProcess::name() const { return this_identity().parent_name; }
int ParentProcess::pid() const { return this_identity().parent; }
bool ParentProcess::is_alive() const { return !join(Millis{0}); }
int ParentProcess::sentinel() const { return this_identity().line.get(); }
bool ParentProcess::join(Millis timeout) const { return wait_readable(sentinel(), timeout); }

}  // namespace towpath
