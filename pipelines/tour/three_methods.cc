// Three ways for a child to begin. None gives it more than it needs: by forkserver and spawn a
// child has its standard streams, its line to the parent and its arguments, and no other open file.
// All three work in a program that is linked statically or stripped, too. What a process shares by
// name lies in the folder of its program, which goes with the program's last process, however that
// ends: there is no tracker that could take away what others use.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
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

// The next line that a program prints.
std::string line_of(FILE* program) {
  std::string line;
  for (int c = std::fgetc(program); c != EOF && c != '\n'; c = std::fgetc(program))
    line += static_cast<char>(c);
  return line;
}

// A program of its own, with a semaphore and shared memory, which is killed.
void run_static_program() {
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  FILE* const program = ::popen(format("exec {}/towpath-tour-static", here.string()).c_str(), "r");
  say(line_of(program));
  const std::string folder = line_of(program);
  const int status = ::pclose(program);
  say(format("it was killed by signal {}", WTERMSIG(status)));
  // Its keeper removes the folder, a moment later.
  const Deadline deadline(Millis{10'000});
  while (std::filesystem::exists(folder) && !deadline.passed()) ::usleep(1'000);
  say(format("what it shared is gone: {}", yes_or_no(!std::filesystem::exists(folder))));
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
  run_static_program();
}

}  // namespace tour
