#include "towpath/process/this_process.h"

#include <atomic>
#include <mutex>

#include "towpath/base/format.h"
#include "towpath/process/identity.h"

namespace towpath {
namespace {

struct Identity {
  std::string name = "MainProcess";
  int parent = 0;
  PrivateFd line;
  std::atomic<int> children{0};
  std::atomic<Method> method{Method::kForkserver};
};

// Never destroyed: statics of other files may ask at exit.
Identity& identity() {
  static auto* const it = new Identity;
  return *it;
}

}  // namespace

std::string current_process_name() { return identity().name; }
int parent_pid() { return identity().parent; }
int parent_sentinel() { return identity().line.get(); }
Method default_start_method() { return identity().method; }
void set_default_start_method(Method method) { identity().method = method; }

void become_child(std::string name, int parent, PrivateFd line, Method default_method) {
  Identity& self = identity();
  self.name = std::move(name);
  self.parent = parent;
  self.line = std::move(line);
  self.children = 0;
  self.method = default_method;
}

std::string next_child_name() {
  Identity& self = identity();
  const int number = ++self.children;
  return self.parent == 0 ? format("Process-{}", number) : format("{}:{}", self.name, number);
}

}  // namespace towpath
