// A program that calls exit() with children that run: nothing destroys their Process objects. Its
// argument is the start method.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "towpath/base/log.h"
#include "towpath/process/init.h"
#include "towpath/process/process.h"

using namespace towpath;

namespace {

void stay(Descriptor ready) {
  if (::write(ready.fd, ".", 1) != 1) std::exit(1);
  for (;;) ::pause();
}

// Ends when the program's log has told that exit waits for it, and shows what it told.
void finish(Descriptor log) {
  char text[512];
  const ssize_t size = ::read(log.fd, text, sizeof text);
  std::printf("%.*s", static_cast<int>(size), text);
}

}  // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  if (argc != 2) return 2;
  int log[2], ready[2];
  if (::pipe2(log, O_CLOEXEC) != 0 || ::pipe2(ready, O_CLOEXEC) != 0) return 1;
  const Method method = parse_method(argv[1]);
  Process daemon(Options{.name = "stays", .daemon = true, .method = method}, &stay,
                 Descriptor{ready[1]});
  Process child(Options{.name = "finishes", .method = method}, &finish, Descriptor{log[0]});
  daemon.start();
  child.start();
  char byte;
  if (::read(ready[0], &byte, 1) != 1) return 1;
  std::printf("%d\n", daemon.pid());
  std::fflush(stdout);
  set_log_fd(log[1]);
  std::exit(7);
}
