// A manager is a process that holds objects for others. Several may change them; what one call does
// is whole. What one reads and then writes, another may change meanwhile: update() runs a function
// there, so that nothing is lost. (In Python d[k] += 1 is two calls, and loses updates.) The text
// that this is from prints the reversed list as [7, ..., 0]: it is wrong, range(10) reversed begins
// with 9.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"
#include "towpath/message/json.h"

using namespace towpath;

namespace tour {
namespace {

using Dict = DictProxy<Object, Object>;

void change(Dict dict, ListProxy<int> list, DictProxy<std::string, int> counts) {
  dict.set(1, "1");
  dict.set("2", 2);
  dict.set(0.25, nullptr);
  list.reverse();
  for (int i = 0; i < 100; ++i) counts.update("n", [](int& n) { ++n; });
}

}  // namespace

void manager() {
  Manager manager;
  auto dict = manager.dict<Object, Object>();
  auto list = manager.list<int>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  auto counts = manager.dict<std::string, int>();
  Process child(&change, dict, list, counts);
  child.start();
  for (int i = 0; i < 100; ++i) counts.update("n", [](int& n) { ++n; });
  child.join();
  for (const auto& [key, value] : dict.items()) say(to_json(key) + ": " + to_json(value));
  say(show(list.values()));
  say(format("counted to {}", counts.at("n")));
}

}  // namespace tour
