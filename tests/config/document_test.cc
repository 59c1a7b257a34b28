#include "towpath/config/document.h"

#include <catch2/catch.hpp>

#include "towpath/base/error.h"

using towpath::Document;
using towpath::Node;

namespace {

std::string problems(std::string text) {
  return Document::parse("a.yaml", std::move(text)).show_problems();
}

}  // namespace

TEST_CASE("Document: every value knows its line and column") {
  const Document document = Document::parse("a.yaml",
                                            "stages:\n"
                                            "  read: { csv.read: data.csv, n: [1, \"two\"] }\n"
                                            "  text: |\n"
                                            "    one\n"
                                            "    two\n"
                                            "  none:\n"
                                            "  tilde: ~\n");
  REQUIRE(document.show_problems() == "");
  const Node& stages = *document.root().find("stages");
  CHECK(stages.mark.line == 2);
  CHECK(stages.mark.column == 3);
  const Node& read = *stages.find("read");
  CHECK(read.kind == Node::Kind::kMap);
  CHECK(read.flow);
  CHECK(read.find("csv.read")->mark.column == 21);
  CHECK(read.find("csv.read")->length == 8);
  CHECK(read.find_key("csv.read")->mark.column == 11);
  const Node& list = *read.find("n");
  CHECK(list.kind == Node::Kind::kList);
  CHECK_FALSE(list.items[0].quoted);
  CHECK(list.items[1].quoted);
  CHECK(list.items[1].text == "two");
  CHECK(list.items[1].length == 5);
  CHECK(stages.find("text")->text == "one\ntwo\n");
  CHECK(stages.find("text")->quoted);
  CHECK(stages.find("none")->kind == Node::Kind::kNull);
  CHECK(stages.find("none")->mark.line == 6);
  CHECK(stages.find("tilde")->kind == Node::Kind::kNull);
  CHECK(stages.find("other") == nullptr);
}

TEST_CASE("Document: a byte order mark and CRLF change nothing") {
  const Document document = Document::parse("a.yaml",
                                            "\xef\xbb\xbf"
                                            "a: 1\r\nb: 2\r\n");
  REQUIRE(document.show_problems() == "");
  CHECK(document.root().find("a")->mark.column == 4);
  CHECK(document.root().find("b")->text == "2");
  CHECK(document.line(1) == "a: 1");
}

TEST_CASE("Document: a duplicate key names the first one") {
  CHECK(problems("a: 1\nb: 2\na: 3\n") ==
        "a.yaml:3:1: error: \"a\" stands here twice\n"
        "a: 3\n"
        "^ first on line 1\n");
}

TEST_CASE("Document: all problems are shown at once and in order of place") {
  CHECK(problems("a: !!str 5\nb: &x 1\nc: *x\n<<: { d: 1 }\nb: 2\n") ==
        "a.yaml:1:4: error: tags are not supported\n"
        "a: !!str 5\n"
        "   ^~~~~ remove it; quote the value to make it text\n"
        "a.yaml:2:4: error: anchors (&x) are not supported\n"
        "b: &x 1\n"
        "   ^~ write the value out, or make it a param\n"
        "a.yaml:3:4: error: aliases are not supported\n"
        "c: *x\n"
        "   ^~ write the value out; to mean the character *, quote the value\n"
        "a.yaml:4:1: error: merge keys (<<) are not supported\n"
        "<<: { d: 1 }\n"
        "^~ write the keys out\n"
        "a.yaml:5:1: error: \"b\" stands here twice\n"
        "b: 2\n"
        "^ first on line 2\n");
}

TEST_CASE("Document: a comma in an expression inside a flow map asks for quotes") {
  CHECK(problems("m: { a: if(x, 1, 2), b: y }\n") ==
        "a.yaml:1:9: error: a comma inside { } or [ ] ends the value here\n"
        "m: { a: if(x, 1, 2), b: y }\n"
        "        ^~~~~~~~~~~ quote the expression: \"if(x, 1, 2)\"\n");
  CHECK(problems("m: { a: country in ('DE', 'FR') }\n") ==
        "a.yaml:1:9: error: a comma inside { } or [ ] ends the value here\n"
        "m: { a: country in ('DE', 'FR') }\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~ quote the expression: \"country in ('DE', 'FR')\"\n");
  CHECK(problems("m: [ max(a, b), c ]\n") ==
        "a.yaml:1:6: error: a comma inside { } or [ ] ends the value here\n"
        "m: [ max(a, b), c ]\n"
        "     ^~~~~~~~~ quote the expression: \"max(a, b)\"\n");
  const Document document = Document::parse("a.yaml", "m: { a: if(x, 1, 2), b: y }\n");
  CHECK(document.root().find("m")->entries.size() == 2);
}

TEST_CASE("Document: a syntax error says where and what to do") {
  CHECK(problems("a:\n\tb: 1\n") ==
        "a.yaml:2:3: error: a tab in the indentation\n"
        "\tb: 1\n"
        "\t ^ indent with spaces\n");
  CHECK(problems("a: x == 'b: c'\n") ==
        "a.yaml:1:11: error: a second \": \" on one line, or a wrong indentation\n"
        "a: x == 'b: c'\n"
        "          ^ quote the value, or indent its key like its neighbours\n");
  CHECK(problems("a: { b: ${x} }\n") ==
        "a.yaml:1:10: error: the { of ${…} begins a map here\n"
        "a: { b: ${x} }\n"
        "         ^ quote the value\n");
  CHECK(problems("from: *.rejects\n") ==
        "a.yaml:1:7: error: a value can't begin with *, which refers to an anchor\n"
        "from: *.rejects\n"
        "      ^ quote the value\n");
  CHECK(problems("a: @x\n") ==
        "a.yaml:1:4: error: a value can't begin with @\n"
        "a: @x\n"
        "   ^ quote the value\n");
  CHECK(problems("f: 'DE' == country\n") ==
        "a.yaml:1:9: error: text behind the closing quote\n"
        "f: 'DE' == country\n"
        "        ^ put the whole value in quotes\n");
  CHECK(problems("a: \"open\nb: 1\n") ==
        "a.yaml:1:4: error: this quote is never closed\n"
        "a: \"open\n"
        "   ^ add the closing quote\n");
  CHECK(problems("a: { b: 1\nc: 2\n") ==
        "a.yaml:2:2: error: expected , or } in a { } map\n"
        "c: 2\n"
        " ^ close the map, or quote the value\n");
}

TEST_CASE("Document: only one document of UTF-8 text is read") {
  CHECK(problems("") == "a.yaml:1:1: error: the file is empty\n\n^\n");
  CHECK(problems("a: 1\n---\nb: 2\n") ==
        "a.yaml:2:1: error: a second document begins here\n"
        "---\n"
        "^~~ one pipeline a file\n");
  CHECK(problems(std::string("a: 1\nb: \x04x\n")) ==
        "a.yaml:2:4: error: a control character (0x04)\n"
        "b: \\x04x\n"
        "   ^~~~ save the file as UTF-8 text\n");
  CHECK(problems("a: \xff\n").starts_with("a.yaml:1:4: error: a byte that is not UTF-8 (0xff)\n"));
}

TEST_CASE("Document: depth is bounded") {
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  CHECK(problems("a: " + deep + "\n").find("nested more than 64 levels deep") != std::string::npos);
}

TEST_CASE("Document: a key must be text") {
  CHECK(problems("? [a, b]\n: c\n") ==
        "a.yaml:1:3: error: a key must be text\n"
        "? [a, b]\n"
        "  ^ write name: value\n");
  CHECK(Document::parse("a.yaml", "null: 1\n").root().find("null") != nullptr);
}

TEST_CASE("Document: a problem within a scalar is placed in its source") {
  auto place = [](std::string text, size_t offset, size_t length) {
    Document document = Document::parse("a.yaml", std::move(text));
    REQUIRE(document.show_problems() == "");
    document.add_within(*document.root().find("a"), offset, length, "bad");
    return document.show_problems();
  };
  CHECK(place("a: qty >> 0\n", 4, 2) == "a.yaml:1:8: error: bad\na: qty >> 0\n       ^~\n");
  CHECK(place("a: 'it''s x'\n", 5, 1) == "a.yaml:1:11: error: bad\na: 'it''s x'\n          ^\n");
  CHECK(place("a: \"\\u00e9 \\t x\"\n", 5, 1) ==
        "a.yaml:1:15: error: bad\na: \"\\u00e9 \\t x\"\n              ^\n");
  CHECK(place("a: |\n  one\n  two\n", 4, 3) == "a.yaml:3:3: error: bad\n  two\n  ^~~\n");
  CHECK(place("a: >\n  one\n  two\n", 4, 3) == "a.yaml:3:3: error: bad\n  two\n  ^~~\n");
  CHECK(place("a: one\n   two  three\n", 4, 3) ==
        "a.yaml:2:4: error: bad\n   two  three\n   ^~~\n");
  CHECK(place("a: one\n   two  three\n", 9, 5) ==
        "a.yaml:2:9: error: bad\n   two  three\n        ^~~~~\n");
  CHECK(place("a: é > 1\n", 3, 1) == "a.yaml:1:7: error: bad\na: é > 1\n     ^\n");
  CHECK(place("a: qty >\n", 5, 1) == "a.yaml:1:9: error: bad\na: qty >\n        ^\n");
}

TEST_CASE("Document: the same problem is shown once") {
  Document document = Document::parse("a.yaml", "a: 1\n");
  document.add(*document.root().find("a"), "bad");
  document.add(*document.root().find("a"), "bad");
  CHECK(document.show_problems() == "a.yaml:1:4: error: bad\na: 1\n   ^\n");
}

TEST_CASE("Document: a file that can't be read is a system error that names it") {
  CHECK_THROWS_AS(Document::load("no/such.yaml"), towpath::SystemError);
  CHECK_THROWS_WITH(Document::load("no/such.yaml"), Catch::Contains("no/such.yaml"));
  CHECK_THROWS_AS(Document::load("/"), towpath::SystemError);
}
