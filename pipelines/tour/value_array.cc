// A number and an array in shared memory: a child changes them, the parent sees it. Structs, too.
#include <algorithm>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

struct Point {
  double x = 0, y = 0;
};

void change(Value<double> number, Array<int> array, Value<Point> point) {
  number.set(3.1415927);
  for (int& value : array.lock()) value = -value;
  point.lock()->x *= 2;
}

}  // namespace

void value_array() {
  Value<double> number(0);
  Array<int> array(std::views::iota(0, 10));
  Value<Point> point(Point{1.5, 2.5});
  Process child(&change, number, array, point);
  child.start();
  child.join();
  say(format("{}", number.get()));
  say(show(*array.lock()));
  say(format("({}, {})", point.get().x, point.get().y));
}

}  // namespace tour
