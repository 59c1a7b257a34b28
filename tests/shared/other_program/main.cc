// A program of its own, of which the manager that it uses knows nothing: its arguments are that
// one's address and key. It says what it saw.
#include <cstdio>
#include <stdexcept>
#include <string>

#include "towpath/process/init.h"
#include "towpath/process/remote_error.h"
#include "towpath/shared/manager.h"

using namespace towpath;

namespace {

constexpr Millis kSoon{20'000};

void show(const RemoteTrace& trace) {
  std::printf("%s: %s\nin %s\n%s\n", trace.type.c_str(), trace.message.c_str(),
              trace.worker.c_str(), trace.trace.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  if (argc != 3) return 2;
  const std::string address = argv[1], key = argv[2];
  for (const std::string& wrong : {key + "x", std::string("wrong")}) {
    try {
      Manager::connect(address, {.key = wrong}, kSoon);
      std::printf("a wrong key got in\n");
    } catch (const AuthenticationError&) {
      std::printf("a wrong key is refused\n");
    }
  }
  Manager manager = Manager::connect(address, {.key = key}, kSoon);
  manager.find<QueueProxy<std::string>>("jobs").put("from afar");
  auto counter = manager.create("Counter", 40);
  std::printf("counted %lld\n", static_cast<long long>(counter.call<int64_t>("add", 2)));
  try {
    counter.call("fail", "broken");
  } catch (const std::runtime_error& error) {
    std::printf("caught %s\n", error.what());
    show(*remote_of(error));
  }
  try {
    counter.call("fail_oddly");
  } catch (const RemoteError& error) {
    show(error.remote());
  }
  return 0;
}
