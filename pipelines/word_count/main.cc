// Counts the longer words of text files: a pipeline inside a C++ program.
//
//   word_count [PATH-OR-GLOB [BYTES]]
//
// Prints the 20 most frequent words of more than BYTES bytes (3), the count first. The stages run
// in processes of their own; the result's rows are read here, in the program.
#include <exception>
#include <iostream>
#include <string>

#include "towpath/coordinator/pipeline.h"
#include "towpath/process/init.h"

int main(int argc, char** argv) {
  towpath::init(argc, argv);  // the children of this program begin here
  const std::string path = argc > 1 ? argv[1] : "/usr/share/common-licenses/*";
  const int bytes = argc > 2 ? std::stoi(argv[2]) : 3;
  try {
    towpath::Pipeline pipeline("word_count");
    auto lines = pipeline.add("text.read", {{"path", path}});
    auto words = pipeline.add("text.words", {{"lower", true}}).from(lines).workers(2);
    auto longer = pipeline.add("longer_than", {{"bytes", bytes}}).from(words);
    auto counts = pipeline.add("group", {{"by", "word"}, {"count", "count()"}}).from(longer);
    auto top = pipeline.add("top", {{"n", 20}, {"by", "count desc"}}).from(counts);
    for (const towpath::Row& row : pipeline.rows(top)) {
      std::cout << row.get<int64_t>("count") << '\t' << row.get<std::string_view>("word") << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << "word_count: " << error.what() << '\n';
    return 1;
  }
}
