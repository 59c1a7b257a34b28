// A program that shares memory by name with a child, says who they are, and stays. Its argument is
// the start method; or "swept": then it only begins. With "hub" behind the method it uses a queue
// over ZeroMQ as well, and says who the hub is.
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "towpath/base/program_session.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/hub_place.h"
#include "towpath/channel/queue.h"
#include "towpath/memory/shared_memory.h"
#include "towpath/process/init.h"
#include "towpath/process/process.h"

using namespace towpath;

int main(int argc, char** argv) {
  init(argc, argv);
  if (argc < 2 || argv[1] == std::string_view("swept")) return 0;
  auto [mine, its] = packet_pair();
  Process child(
      Options{.method = parse_method(argv[1])},
      [](Descriptor up) {
        const SharedMemory memory = SharedMemory::create(100'000);
        send_packet(up.fd, memory.name());
        for (;;) ::pause();
      },
      Descriptor{its.get()});
  child.start();
  const SharedMemory memory = SharedMemory::open(receive_packet(mine.get()).value().bytes);
  const SharedMemory own = SharedMemory::create(100'000);
  std::printf("%s\n%d\n%d\n", program_session().folder().c_str(), ::getpid(), child.pid());
  if (argc > 2) {
    Queue<int> queue({.transport = Transport::kZeroMq});
    queue.put(1);
    queue.flush();
    std::printf("%d\n", running_hub().pid());
  }
  std::fflush(stdout);
  for (;;) ::pause();
}
