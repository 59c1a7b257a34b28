// Counts the longer words of text files: a pipeline inside a C++ program.
//
//   word_count [PATH-OR-GLOB [BYTES]]
//
// Prints the 20 most frequent words of more than BYTES bytes (3), the count first. The stages run
// in processes of their own; the result's rows are read here, in the program.
#include <charconv>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/coordinator/pipeline.h"
#include "towpath/process/init.h"

namespace {

constexpr std::string_view kUsage =
    "usage: word_count [PATH-OR-GLOB [BYTES]]\n"
    "  counts the words of more than BYTES bytes; at first those of more than 3 bytes in\n"
    "  /usr/share/common-licenses/*\n";

std::optional<int> whole_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  towpath::init(argc, argv);  // the children of this program begin here
  const std::string path = argc > 1 ? argv[1] : "/usr/share/common-licenses/*";
  if (path == "--help" || path == "-h") {
    std::cout << kUsage;
    return 0;
  }
  const std::optional<int> bytes = whole_number(argc > 2 ? argv[2] : "3");
  if (argc > 3 || !bytes) {
    if (!bytes) std::cerr << "word_count: BYTES is \"" << argv[2] << "\", not a whole number\n";
    std::cerr << kUsage;
    return 2;
  }
  try {
    towpath::Pipeline pipeline("word_count");
    auto lines = pipeline.add("text.read", {{"path", path}});
    auto words = pipeline.add("text.words", {{"lower", true}}).from(lines).workers(2);
    auto longer = pipeline.add("longer_than", {{"bytes", *bytes}}).from(words);
    auto counts = pipeline.add("group", {{"by", "word"}, {"count", "count()"}}).from(longer);
    auto top = pipeline.add("top", {{"n", 20}, {"by", "count desc"}}).from(counts);
    for (const towpath::Row& row : pipeline.rows(top)) {
      std::cout << row.get<int64_t>("count") << '\t' << row.get<std::string_view>("word") << '\n';
    }
  } catch (const towpath::Invalid& error) {
    std::cerr << "word_count: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "word_count: " << error.what() << '\n';
    return 1;
  }
}
