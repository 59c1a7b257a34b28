// A child by forkserver or spawn runs the program's file again, from main on. towpath::init, the
// first statement of main, is where it turns off: nothing behind it runs in a child. A program
// without it is told so when it starts a process, before there is any child that could start more.
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void tell(const std::string& method) {
  say(format("{}: the rest of main ran {} times", method, main_entered()));
}

}  // namespace

void main_guard() {
  tell("here");
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    Process child(Options{.method = method}, &tell, std::string(method_name(method)));
    child.start();
    child.join();
  }
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const int status = std::system((here / "towpath-tour-unguarded").c_str());
  say(format("a program without init: exit code {}", WEXITSTATUS(status)));
}

}  // namespace tour
