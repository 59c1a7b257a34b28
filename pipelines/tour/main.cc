// The tour of the multiprocessing library: small programs in reading order, each with the output
// to expect. `towpath-tour --help` says how to walk.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string_view>

#include "pipelines/tour/tour.h"

namespace tour {
namespace {

int entered = 0;

constexpr std::string_view kUsage =
    "usage: towpath-tour --list | --all | NAME...\n"
    "\n"
    "Runs small programs that show the multiprocessing library, part by part. The source of each "
    "is\n"
    "pipelines/tour/NAME.cc; what it prints is in NAME.txt beside it, the same in Python in "
    "NAME.py.\n"
    "\n"
    "  --list   names of all, in reading order, and what they show\n"
    "  --all    runs all, in reading order\n"
    "\n"
    "examples:\n"
    "  towpath-tour pool_map\n"
    "  towpath-tour exceptions join_before_get\n";

int run(const Example& example) {
  try {
    example.run();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "towpath-tour: " << example.name << ": " << error.what() << '\n';
    return 1;
  }
}

int walk(std::span<char*> arguments) {
  const std::string_view first = arguments.empty() ? "" : arguments[0];
  if (first == "--help" || first == "-h") {
    std::cout << kUsage;
    return 0;
  }
  if (first == "--list" && arguments.size() == 1) {
    for (const Example& example : examples()) std::printf("%-24s%s\n", example.name, example.about);
    return 0;
  }
  if (first == "--all" && arguments.size() == 1) {
    int code = 0;
    for (const Example& example : examples()) {
      say(towpath::format("── {}: {}", example.name, example.about));
      code |= run(example);
    }
    return code;
  }
  if (arguments.empty() || first.starts_with("-")) {
    std::cerr << kUsage;
    return 2;
  }
  int code = 0;
  for (const std::string_view name : arguments) {
    const auto found = std::ranges::find_if(
        examples(), [name](const Example& example) { return example.name == name; });
    if (found == examples().end()) {
      std::cerr << "towpath-tour: no example \"" << name << "\"; see towpath-tour --list\n";
      return 2;
    }
    code |= run(*found);
  }
  return code;
}

}  // namespace

int main_entered() { return entered; }

void say(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) std::perror("towpath-tour: write");
}

}  // namespace tour

int main(int argc, char** argv) {
  towpath::init(argc, argv);  // a child runs its target here, and nothing of what follows
  ++tour::entered;
  return tour::walk(std::span(argv, static_cast<size_t>(argc)).subspan(1));
}
