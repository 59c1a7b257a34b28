// A manager over TCP: who knows the key gets in, from this host or another, and finds objects by
// the names under which they were published. All that travels is encrypted. The dict and the list
// are those of the example manager; an object of the class of own_class would do as well.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"
#include "towpath/message/json.h"

using namespace towpath;

namespace tour {
namespace {

constexpr const char* kKey = "a long and random secret";

void client(const std::string& address) {
  Manager manager = Manager::connect(address, {.key = kKey});
  say("got " + manager.find<QueueProxy<std::string>>("letters").get());
  auto dict = manager.find<DictProxy<Object, Object>>("dict");
  dict.set(1, "1");
  dict.set("2", 2);
  dict.set(0.25, nullptr);
  manager.find<ListProxy<int>>("list").reverse();
}

}  // namespace

void remote_manager() {
  Manager manager(ManagerOptions{.address = "tcp://127.0.0.1:0", .connect = {.key = kKey}});
  auto letters = manager.queue<std::string>();
  auto dict = manager.dict<Object, Object>();
  auto list = manager.list<int>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  manager.publish("letters", letters);
  manager.publish("dict", dict);
  manager.publish("list", list);
  letters.put("a letter");
  Process child(&client, manager.address());
  child.start();
  child.join();
  for (const auto& [key, value] : dict.items()) say(to_json(key) + ": " + to_json(value));
  say(show(list.values()));
  try {
    Manager::connect(manager.address(), {.key = "another"});
  } catch (const AuthenticationError&) {
    say("who has another key does not get in");
  }
}

}  // namespace tour
