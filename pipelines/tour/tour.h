#pragma once
// What the examples of the tour share. Each is a function in a file of its own, NAME.cc; what it
// prints stands in NAME.txt, and the same in Python in NAME.py.
#include <concepts>
#include <ranges>
#include <span>
#include <string>

#include "towpath/base/format.h"
#include "towpath/multiprocessing.h"

namespace tour {

struct Example {
  const char* name;
  const char* about;  // a line
  void (*run)();
};
// In reading order.
std::span<const Example> examples();

// How often main has come past towpath::init in this process.
int main_entered();

// Prints a line in one write, so that lines of several processes don't mix.
void say(const std::string& line);

inline std::string show(const std::string& text) { return "'" + text + "'"; }
inline std::string show(bool value) { return value ? "True" : "False"; }
template <class T>
requires(std::integral<T> || std::floating_point<T>) std::string show(T value) {
  return towpath::format("{}", value);
}
// As Python prints a list: "[0, 1, 4]".
template <std::ranges::input_range R>
requires(!std::convertible_to<R, std::string>) std::string show(const R& range) {
  std::string text = "[";
  for (const auto& value : range) text += (text.size() > 1 ? ", " : "") + show(value);
  return text + "]";
}

inline std::string yes_or_no(bool value) { return value ? "yes" : "no"; }

// Wall time from here on.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(towpath::Clock::now() - begin_).count();
  }

 private:
  towpath::Clock::time_point begin_ = towpath::Clock::now();
};

}  // namespace tour
