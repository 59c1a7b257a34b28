// A manager over TCP: who knows the key gets in, from this host or another, and finds objects by
// the names under which they were published. All that travels is encrypted. An object may be of a
// class of the program, which says what it exposes.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

constexpr const char* kKey = "a long and random secret";

void client(const std::string& address) {
  Manager manager = Manager::connect(address, {.key = kKey});
  auto queue = manager.find<QueueProxy<std::string>>("letters");
  say("got " + queue.get());
  auto dict = manager.find<DictProxy<std::string, int>>("counts");
  dict.set("letters", 1);
}

}  // namespace

void remote_manager() {
  Manager manager(ManagerOptions{.address = "tcp://127.0.0.1:0", .connect = {.key = kKey}});
  auto queue = manager.queue<std::string>();
  auto counts = manager.dict<std::string, int>();
  manager.publish("letters", queue);
  manager.publish("counts", counts);
  queue.put("a letter");
  Process child(&client, manager.address());
  child.start();
  child.join();
  say(format("counted {}", counts.at("letters")));
  try {
    Manager::connect(manager.address(), {.key = "another"});
  } catch (const AuthenticationError&) {
    say("who has another key does not get in");
  }
}

}  // namespace tour
