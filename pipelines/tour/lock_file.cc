// Five processes append to one file. Each writes its line in pieces, so without the lock they would
// be mixed. The guard releases at the end of its block, also when an exception leaves it.
#include <cstdlib>
#include <fstream>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void append(const std::string& path, Lock lock, int number) {
  const Lock::Guard guard = lock.guard();
  std::ofstream file(path, std::ios::app);
  for (const std::string word : {"process ", "number ", "", " was here\n"}) {
    file << (word.empty() ? format("{}", number) : word) << std::flush;
  }
}

}  // namespace

void lock_file() {
  char path[] = "/tmp/towpath-tour-XXXXXX";
  if (const int fd = ::mkstemp(path); fd < 0) throw_errno("mkstemp");
  const Lock lock;
  std::vector<Process> children;
  for (int i = 1; i <= 5; ++i) {
    children.emplace_back(&append, path, lock, i);
    children.back().start();
  }
  for (Process& child : children) child.join();
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) say(line);
  std::remove(path);
}

}  // namespace tour
