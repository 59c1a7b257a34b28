#include "towpath/input/input_file.h"

#include <catch2/catch.hpp>
#include <random>

#include "input/compress.h"
#include "input/temp_folder.h"
#include "towpath/base/error.h"

using namespace towpath;
using Catch::Matchers::Contains;

namespace {

std::string read_all(InputFile& file, size_t step = 7777) {
  std::string text, piece(step, '\0');
  while (const size_t count = file.read(piece.data(), piece.size())) text.append(piece, 0, count);
  return text;
}

// Neither constant nor random, so that compressors have something to do and blocks to make.
std::string some_text(size_t size) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < size) {
    text += "line " + std::to_string(random() % 100000) + (random() % 9 == 0 ? "\n" : " ");
  }
  return text;
}

std::string error_of(const std::string& path) {
  try {
    InputFile file(path);
    read_all(file);
  } catch (const Invalid& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("InputFile: a text reads the same plain and compressed whatever the file's name") {
  const TempFolder folder;
  const std::string text = some_text(GENERATE(0, 1, 3, 1000, 700'000));
  const std::string form = GENERATE("plain", "gzip", "zstd");
  const std::string path = folder.file("a.txt", form == "plain"  ? text
                                                : form == "gzip" ? gzip(text)
                                                                 : zstd(text));
  const size_t step = GENERATE(1000, 100'000);
  InputFile file(path);
  CHECK(file.compressed() == (form != "plain"));
  CHECK(read_all(file, step) == text);
  CHECK(file.position() == text.size());
  CHECK(file.consumed() == file.size());
}

TEST_CASE("InputFile: members and frames behind each other are one text") {
  const TempFolder folder;
  InputFile members(folder.file("a", gzip("one ") + gzip("") + gzip("two ") + gzip("three")));
  CHECK(read_all(members) == "one two three");
  InputFile padded(folder.file("b", gzip("one ") + std::string(1024, '\0')));
  CHECK(read_all(padded) == "one ");
  const std::string skippable("\x5a\x2a\x4d\x18\x03\0\0\0abc", 11);
  InputFile frames(folder.file("c", skippable + zstd("one ") + skippable + zstd("two")));
  CHECK(read_all(frames) == "one two");
}

TEST_CASE("InputFile: seek goes to a byte of the text") {
  const TempFolder folder;
  const std::string text = some_text(500'000);
  for (const std::string& data : {text, gzip(text), zstd(text)}) {
    const std::string path = folder.file("a", data);
    for (const size_t byte : {size_t{0}, size_t{1}, size_t{131072}, size_t{400'001}, text.size()}) {
      InputFile file(path);
      file.seek(byte);
      CHECK(file.position() == byte);
      REQUIRE(read_all(file) == text.substr(byte));
    }
    InputFile file(path);
    CHECK_THROWS_WITH(file.seek(text.size() + 1), Contains("a: it") && Contains("ends at byte"));
  }
}

TEST_CASE("InputFile: damage in a compressed file names the file and the byte") {
  const TempFolder folder;
  const std::string text = some_text(300'000);
  for (const std::string& whole : {gzip(text), zstd(text)}) {
    CHECK_THAT(error_of(folder.file("cut", whole.substr(0, whole.size() - 3))),
               Contains("/cut: byte " + std::to_string(whole.size() - 3)) &&
                   Contains("too early") && Contains("cut off: replace it"));
    CHECK_THAT(error_of(folder.file("tail", whole + "tail")), Contains("/tail: byte "));
    std::string flipped = whole;
    flipped[flipped.size() / 2] = static_cast<char>(~flipped[flipped.size() / 2]);
    flipped.back() = static_cast<char>(~flipped.back());
    CHECK_THAT(error_of(folder.file("flipped", flipped)), Contains("/flipped: byte "));
  }
}

TEST_CASE("InputFile: a file cut at any byte is an error or the whole text but never a crash") {
  const TempFolder folder;
  const std::string text = some_text(3000);
  for (const std::string& whole : {gzip(text) + gzip(text), zstd(text) + zstd(text)}) {
    for (size_t size = 0; size < whole.size(); size += 13) {
      const std::string path = folder.file("cut", whole.substr(0, size));
      try {
        InputFile file(path);
        const std::string got = read_all(file);
        if (file.compressed()) CHECK((got == text || got.empty()));
      } catch (const Invalid&) {
      }
    }
  }
}

TEST_CASE("InputFile: what can't be opened is named") {
  const TempFolder folder;
  CHECK_THROWS_WITH(InputFile(folder / "none"), Contains("open(") && Contains("none"));
  CHECK_THROWS_WITH(InputFile(folder.path()), Contains("is a folder"));
}
