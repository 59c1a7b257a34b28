#include "towpath/input/text_window.h"

#include <catch2/catch.hpp>
#include <vector>

#include "input/compress.h"
#include "input/temp_folder.h"

using namespace towpath;

namespace {
std::vector<std::string> lines_of(const std::string& path) {
  InputFile file(path);
  TextWindow window(file);
  std::vector<std::string> lines;
  while (const auto line = next_line(window)) lines.emplace_back(line->text);
  return lines;
}
}  // namespace

TEST_CASE("next_line: takes off LF and CRLF and keeps a lone CR") {
  const TempFolder folder;
  using Lines = std::vector<std::string>;
  CHECK(lines_of(folder.file("a", "")) == Lines{});
  CHECK(lines_of(folder.file("a", "\n")) == Lines{""});
  CHECK(lines_of(folder.file("a", "a\nb\r\n\nc")) == Lines{"a", "b", "", "c"});
  CHECK(lines_of(folder.file("a", "a\rb\r\r\nc\r")) == Lines{"a\rb\r", "c\r"});
  CHECK(lines_of(folder.file("a", std::string("a\0b\n\xff\n", 6))) ==
        Lines{std::string("a\0b", 3), "\xff"});
}

TEST_CASE("next_line: knows where each line begins across the window's edges") {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    text += std::string(static_cast<size_t>(i * 7919 % 1201), static_cast<char>('a' + i % 26));
    text += i % 3 == 0 ? "\r\n" : "\n";
  }
  text.append(700'000, 'x');
  text += "\nend";
  for (const std::string& data : {text, gzip(text)}) {
    InputFile file(folder.file("a", data));
    TextWindow window(file);
    size_t count = 0, end = 0;
    while (const auto line = next_line(window)) {
      REQUIRE(line->byte == end);
      REQUIRE(text.compare(line->byte, line->text.size(), line->text) == 0);
      end = window.byte();
      ++count;
    }
    CHECK(count == 2002);
    CHECK(end == text.size());
  }
}

TEST_CASE("TextWindow: seek goes on in what is held and behind it") {
  const TempFolder folder;
  std::string text;
  for (int i = 0; text.size() < 1'000'000; ++i) text += std::to_string(i) + "\n";
  for (const std::string& data : {text, zstd(text)}) {
    for (const size_t byte : {size_t{0}, size_t{17}, size_t{262'144}, size_t{900'000}}) {
      InputFile file(folder.file("a", data));
      TextWindow window(file);
      next_line(window);
      if (byte < window.byte()) continue;
      window.seek(byte);
      CHECK(window.byte() == byte);
      const auto line = next_line(window);
      REQUIRE(line);
      CHECK(text.compare(byte, line->text.size() + 1, std::string(line->text) + "\n") == 0);
    }
  }
}

TEST_CASE("next_line: a line past the bound is shown in part and can be passed over") {
  const TempFolder folder;
  const std::string path =
      folder.file("a", gzip("a\n" + std::string(kMaxRecord + 300'000, 'x') + "\nb\n"));
  InputFile file(path);
  TextWindow window(file);
  CHECK(next_line(window)->text == "a");
  const auto line = next_line(window);
  REQUIRE(line->too_long);
  CHECK(line->byte == 2);
  CHECK(line->text.substr(0, 3) == "xxx");
  window.skip_line();
  CHECK(next_line(window)->text == "b");
  CHECK(!next_line(window));
}

TEST_CASE("pass_byte_order_mark: a file of UTF-16 is refused and named") {
  const TempFolder folder;
  for (const std::string mark : {"\xff\xfe", "\xfe\xff"}) {
    InputFile file(folder.file("wide.csv", mark + "a"));
    TextWindow window(file);
    CHECK_THROWS_WITH(pass_byte_order_mark(window),
                      Catch::Matchers::Contains("wide.csv: the file is UTF-16") &&
                          Catch::Matchers::Contains("iconv"));
  }
}
