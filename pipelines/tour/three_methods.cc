// Three ways for a child to begin. None gives it more than it needs: by forkserver and spawn a
// child has its standard streams, its line to the parent and its arguments, and no other open file.
// What a killed process shared by name is taken away when the program ends: there is no tracker
// that could take away what others use.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void count_files(const std::string& method, const std::string& stray) {
  int strays = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    strays += std::filesystem::read_symlink(entry.path(), gone) == stray ? 1 : 0;
  }
  say(format("{}: stray files {}", method, strays));
}

void share_and_die() {
  const SharedMemory memory = SharedMemory::create(1 << 20);
  const Lock lock;
  std::raise(SIGKILL);
}

// A program within the tour: its shared things are gone with it.
void share() {
  Process child(&share_and_die);
  child.start();
  child.join();
  say(format("killed by signal {}", -*child.exitcode()));
}

}  // namespace

void three_methods() {
  const char* const file = "/etc/passwd";
  const int stray = ::open(file, O_RDONLY);  // not close-on-exec, as a careless library has it
  for (const Method method : get_all_start_methods()) {
    Process child(Options{.method = method}, &count_files, std::string(method_name(method)), file);
    child.start();
    child.join();
  }
  ::close(stray);
  Process program(&share);
  program.start();
  program.join();
}

}  // namespace tour
