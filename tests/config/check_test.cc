#include "towpath/config/check.h"

#include <catch2/catch.hpp>
#include <map>

using towpath::Document;
using towpath::field;
using towpath::FieldKind;
using towpath::FieldSpec;
using towpath::Object;

namespace {

struct Checked {
  Object values;
  std::string problems;
};

Checked check(std::string yaml, const std::vector<FieldSpec>& fields, std::string_view main = "") {
  Document document = Document::parse("a.yaml", std::move(yaml));
  REQUIRE(document.show_problems() == "");
  const towpath::Node root = document.root();
  Object values = check_fields(document, *root.find("s"), fields, main, "stage \"s\"");
  return {std::move(values), document.show_problems()};
}

// The first line of what is said about `s: { f: VALUE }`, without the place, and what stands behind
// the caret.
std::string said(const std::string& value, const FieldSpec& spec) {
  const std::string shown = check("s: { f: " + value + " }\n", {spec}).problems;
  if (shown.empty()) return "";
  const size_t begin = shown.find("error: ") + 7;
  const std::string message = shown.substr(begin, shown.find('\n') - begin);
  const size_t caret = shown.find('^');
  std::string hint = shown.substr(caret, shown.find('\n', caret) - caret);
  hint.erase(0, hint.find_first_not_of("^~"));
  return message + (hint.empty() ? "" : " |" + hint);
}

Object value_of(const std::string& value, const FieldSpec& spec) {
  const Checked checked = check("s: { f: " + value + " }\n", {spec});
  REQUIRE(checked.problems == "");
  return *checked.values.find("f");
}

FieldSpec make(FieldKind kind) { return field("f", kind); }

}  // namespace

TEST_CASE("Config: a value out of range names the range and the default") {
  const FieldSpec lines = make(FieldKind::kInt).range(1, 1000000).default_value("1000");
  CHECK(said("0", lines) == "stage \"s\": f is 0; allowed 1 to 1000000 | remove it to use 1000");
  CHECK(said("1000001", lines) ==
        "stage \"s\": f is 1000001; allowed 1 to 1000000 | remove it to use 1000");
  CHECK(value_of("1000000", lines) == Object(1000000));
  CHECK(check("s: {}\n", {lines}).values == Object(Object::Map{{"f", 1000}}));
  FieldSpec least = make(FieldKind::kFloat);
  least.min = 0.5;
  least.unit = "rows";
  CHECK(said("0.25", least) == "stage \"s\": f is 0.25; allowed 0.5 rows or more");
  FieldSpec most = make(FieldKind::kInt);
  most.max = 3;
  CHECK(said("4", most) == "stage \"s\": f is 4; allowed 3 or less");
  CHECK(said("1KiB", make(FieldKind::kBytes).range(4096, 1 << 20)) ==
        "stage \"s\": f is 1KiB; allowed 4.0 KiB to 1.0 MiB");
  CHECK(said("2h", make(FieldKind::kDuration).range(0, 60000)) ==
        "stage \"s\": f is 2h; allowed 0.0s to 1m00s");
}

TEST_CASE("Config: integers are decimal or a clear problem") {
  const FieldSpec spec = make(FieldKind::kInt);
  CHECK(value_of("-12", spec) == Object(-12));
  CHECK(value_of("+12", spec) == Object(12));
  CHECK(value_of("9223372036854775807", spec) == Object(INT64_MAX));
  CHECK(said("9223372036854775808", spec) ==
        "stage \"s\": f is 9223372036854775808, which is too large");
  CHECK(said("010", spec) ==
        "stage \"s\": f is 010; it takes an integer | write 10, or quote it to make it text");
  CHECK(said("0x10", spec) ==
        "stage \"s\": f is 0x10; it takes an integer | write 16 if you mean that");
  CHECK(said("0o17", spec) ==
        "stage \"s\": f is 0o17; it takes an integer | write 15 if you mean that");
  CHECK(said("1_000", spec) == "stage \"s\": f is 1_000; it takes an integer | write 1000");
  CHECK(said("5.0", spec) == "stage \"s\": f is 5.0; it takes an integer | write 5");
  CHECK(said("1e3", spec) == "stage \"s\": f is 1e3; it takes an integer | write 1000");
  CHECK(said("5.5", spec) == "stage \"s\": f is 5.5; it takes an integer");
  CHECK(said("five", spec) == "stage \"s\": f is five; it takes an integer");
  CHECK(said("'5'", spec) == "stage \"s\": f is \"5\"; it takes an integer | remove the quotes");
  CHECK(said("[5]", spec) == "stage \"s\": f is a list; it takes an integer");
  CHECK(said("{ a: 5 }", spec) == "stage \"s\": f is a map; it takes an integer");
  CHECK(said("~", spec) == "stage \"s\": f has no value | give one, or remove it");
}

TEST_CASE("Config: each kind of field refuses what is of another") {
  CHECK(said("x", make(FieldKind::kFloat)) == "stage \"s\": f is x; it takes a number");
  CHECK(said("nan", make(FieldKind::kFloat)) == "stage \"s\": f is nan; it takes a number");
  CHECK(said("yes", make(FieldKind::kBool)) ==
        "stage \"s\": f is yes; it takes true or false | write true");
  CHECK(said("'true'", make(FieldKind::kBool)) ==
        "stage \"s\": f is \"true\"; it takes true or false | write true");
  CHECK(said("12 apples", make(FieldKind::kBytes))
            .starts_with("stage \"s\": f: \"12 apples\" is not a size"));
  CHECK(said("inf", make(FieldKind::kBytes)).starts_with("stage \"s\": f: \"inf\" is not a size"));
  CHECK(said("-1s", make(FieldKind::kDuration))
            .starts_with("stage \"s\": f: \"-1s\" is not a duration"));
  CHECK(said("[a]", make(FieldKind::kString)) == "stage \"s\": f is a list; it takes a text");
  CHECK(said("''", make(FieldKind::kPath)) == "stage \"s\": f is empty | write a path");
  CHECK(said("''", make(FieldKind::kColumn)) ==
        "stage \"s\": f is empty | write the name of a column");
  CHECK(said("{ a: b }", make(FieldKind::kColumns)) ==
        "stage \"s\": f is a map; it takes a list of columns");
  CHECK(said("[a, b, a]", make(FieldKind::kColumns)) ==
        "stage \"s\": f: \"a\" is listed twice | remove one");
  CHECK(said("[a, [b]]", make(FieldKind::kStrings)) ==
        "stage \"s\": f: a list in the list; it takes texts");
  CHECK(said("''", make(FieldKind::kExpression)) ==
        "stage \"s\": f is empty | write an expression");
  CHECK(said("x", make(FieldKind::kAssignments)) ==
        "stage \"s\": f is x; it takes a map of column: expression");
  CHECK(said("{ a: [b] }", make(FieldKind::kAggregates)) ==
        "stage \"s\": f: a is a list; it takes an aggregate");
  CHECK(said("{ a: }", make(FieldKind::kAssignments)) ==
        "stage \"s\": f: a is empty; it takes an expression");
  CHECK(said("{ a: itn }", make(FieldKind::kTypes)) ==
        "stage \"s\": f: a: no type \"itn\" | did you mean \"int\"?");
  CHECK(said("replce", towpath::choice_field("f", {"append", "replace"})) ==
        "stage \"s\": f is replce; allowed: append, replace | did you mean \"replace\"?");
  CHECK(said("[1, 010]", make(FieldKind::kAny)) ==
        "stage \"s\": f is 010, which is not a decimal number | write 10, or quote it to make it "
        "text");
}

TEST_CASE("Config: values come in the form that Settings reads") {
  CHECK(value_of("64MiB", make(FieldKind::kBytes)) == Object(64 << 20));
  CHECK(value_of("60s", make(FieldKind::kDuration)) == Object(60000));
  CHECK(value_of("3", make(FieldKind::kFloat)) == Object(3.0));
  CHECK(value_of("false", make(FieldKind::kBool)) == Object(false));
  CHECK(value_of("12", make(FieldKind::kString)) == Object("12"));
  CHECK(value_of("day", make(FieldKind::kColumns)) == Object(Object::Array{"day"}));
  CHECK(value_of("[day, n desc]", make(FieldKind::kSortKeys)) ==
        Object(Object::Array{"day", "n desc"}));
  CHECK(value_of("{ b: x, a: y }", make(FieldKind::kAssignments)) ==
        Object(Object::Map{{"b", "x"}, {"a", "y"}}));
  CHECK(value_of("{ a: [1, 2.5, true, ~, x, '1'] }", make(FieldKind::kAny)) ==
        Object(Object::Map{{"a", Object::Array{1, 2.5, true, nullptr, "x", "1"}}}));
}

TEST_CASE("Config: an unknown option names the nearest known one or all") {
  const std::vector<FieldSpec> fields = {field("filter", FieldKind::kExpression),
                                         field("limit", FieldKind::kInt)};
  CHECK(check("s:\n  fitler: qty > 0\n  x: 1\n", fields).problems ==
        "a.yaml:2:3: error: stage \"s\" has no option \"fitler\"\n"
        "  fitler: qty > 0\n"
        "  ^~~~~~ did you mean \"filter\"?\n"
        "a.yaml:3:3: error: stage \"s\" has no option \"x\"\n"
        "  x: 1\n"
        "  ^ known: filter, limit\n");
}

TEST_CASE("Config: a missing required option is named with what it takes") {
  const std::vector<FieldSpec> fields = {field("path", FieldKind::kPath).must()};
  CHECK(check("s: {}\n", fields).problems ==
        "a.yaml:1:4: error: stage \"s\" needs path\n"
        "s: {}\n"
        "   ^ add path: a path\n");
  CHECK(check("s:\n", fields).problems ==
        "a.yaml:1:1: error: stage \"s\" needs path\n"
        "s:\n"
        "^ add path: a path\n");
  CHECK(check("s: { path: }\n", fields).problems ==
        "a.yaml:1:6: error: stage \"s\": path has no value\n"
        "s: { path: }\n"
        "     ^~~~ it takes a path\n");
}

TEST_CASE("Config: a single value sets the main field") {
  const std::vector<FieldSpec> fields = {field("by", FieldKind::kColumns).must(),
                                         field("n", FieldKind::kInt).default_value("10")};
  CHECK(check("s: day\n", fields, "by").values ==
        Object(Object::Map{{"by", Object::Array{"day"}}, {"n", 10}}));
  CHECK(check("s: [day, hour]\n", fields, "by").values ==
        Object(Object::Map{{"by", Object::Array{"day", "hour"}}, {"n", 10}}));
  CHECK(check("s: day\n", fields).problems ==
        "a.yaml:1:4: error: stage \"s\" takes options by name, not a single value\n"
        "s: day\n"
        "   ^~~ known: by, n\n");
}

TEST_CASE("Config: a map without known keys sets a main field that takes a map") {
  const std::vector<FieldSpec> fields = {field("columns", FieldKind::kAssignments).must(),
                                         field("strict", FieldKind::kBool)};
  const Object expected = Object::Map{{"columns", Object::Map{{"a", "x + 1"}}}};
  CHECK(check("s: { a: x + 1 }\n", fields, "columns").values == expected);
  CHECK(check("s: { columns: { a: x + 1 } }\n", fields, "columns").values == expected);
  CHECK(check("s: {}\n", fields, "columns").problems ==
        "a.yaml:1:4: error: stage \"s\": columns is an empty map\n"
        "s: {}\n"
        "   ^ write a map of column: expression\n");
}

TEST_CASE("Config: the rest field takes all keys that no other field names") {
  const std::vector<FieldSpec> fields = {field("by", FieldKind::kColumns).must(),
                                         field("make", FieldKind::kAggregates).must().takes_rest()};
  CHECK(check("s: { by: [day], orders: count(), total: sum(x) }\n", fields).values ==
        Object(Object::Map{{"by", Object::Array{"day"}},
                           {"make", Object::Map{{"orders", "count()"}, {"total", "sum(x)"}}}}));
  CHECK(check("s: { by: [day] }\n", fields).problems ==
        "a.yaml:1:4: error: stage \"s\" needs at least one column\n"
        "s: { by: [day] }\n"
        "   ^ add one: name: a map of column: aggregate\n");
  const Document document = Document::parse("a.yaml", "s: { by: [day], orders: count() }\n");
  const towpath::Node& s = *document.root().find("s");
  CHECK(find_field_node(s, fields, "", "make")->find("orders")->mark.column == 25);
  CHECK(find_field_node(s, fields, "", "by")->mark.column == 10);
  CHECK(find_field_node(s, fields, "", "other") == nullptr);
}

TEST_CASE("Config: a default may be any text") {
  CHECK(check("s: {}\n", {field("f", FieldKind::kString).default_value(",")}).values ==
        Object(Object::Map{{"f", ","}}));
  CHECK(check("s: {}\n", {field("f", FieldKind::kString).default_value("")}).values ==
        Object(Object::Map{{"f", ""}}));
  CHECK(check("s: {}\n", {field("f", FieldKind::kColumns).default_value("[a, b]")}).values ==
        Object(Object::Map{{"f", Object::Array{"a", "b"}}}));
}

namespace {

std::string substituted(std::string yaml, std::string* problems = nullptr) {
  Document document = Document::parse("a.yaml", std::move(yaml));
  REQUIRE(document.show_problems() == "");
  const std::map<std::string, std::string, std::less<>> names = {
      {"in", "data"}, {"env.HOME", "/root"}, {"here", "conf"}, {"empty", ""}};
  towpath::substitute(document, document.root(),
                      [&](std::string_view name) -> std::optional<std::string> {
                        const auto found = names.find(name);
                        if (found == names.end()) return std::nullopt;
                        return found->second;
                      },
                      {"in", "empty"});
  if (problems != nullptr) *problems = document.show_problems();
  return document.root().find("a")->text;
}

}  // namespace

TEST_CASE("Config: names in text are replaced after parsing") {
  CHECK(substituted("a: ${in}/x-${here}.csv\n") == "data/x-conf.csv");
  CHECK(substituted("a: \"${env.HOME}\"\n") == "/root");
  CHECK(substituted("a: ${env.NONE:-some where}\n") == "some where");
  CHECK(substituted("a: ${empty:-x}\n") == "x");
  CHECK(substituted("a: $$5 $${in} $in 'x$'\n") == "$5 ${in} $in 'x$'");
}

TEST_CASE("Config: an unknown name in text is a problem at its place") {
  std::string problems;
  substituted("a: x ${im} ${env.NONE}\n", &problems);
  CHECK(problems ==
        "a.yaml:1:6: error: no param \"im\"\n"
        "a: x ${im} ${env.NONE}\n"
        "     ^~~~~ did you mean \"in\"?\n"
        "a.yaml:1:12: error: environment variable NONE is not set\n"
        "a: x ${im} ${env.NONE}\n"
        "           ^~~~~~~~~~~ set it, or write ${env.NONE:-default}\n");
  substituted("a: x ${in\n", &problems);
  CHECK(problems ==
        "a.yaml:1:6: error: this ${ is never closed\n"
        "a: x ${in\n"
        "     ^~~~ close it with }; $$ stands for a dollar sign\n");
}

TEST_CASE("Config: a param is never pasted into an expression") {
  Document document = Document::parse("a.yaml", "s: { f: \"qty > ${min}\" }\n");
  towpath::substitute(document, document.root(), [](std::string_view) { return "0 or true"; });
  const towpath::Node root = document.root();
  check_fields(document, *root.find("s"), {make(FieldKind::kExpression)}, "", "stage \"s\"");
  CHECK(document.show_problems() ==
        "a.yaml:1:9: error: stage \"s\": f: ${...} would paste text into an expression\n"
        "s: { f: \"qty > ${min}\" }\n"
        "        ^~~~~~~~~~~~~~ write $name, which stands for the param's value\n");
}

TEST_CASE("Config: a number in quotes that was one name as a whole is a number") {
  Document document = Document::parse("a.yaml", "s: { f: \"${n}\" }\n");
  towpath::substitute(document, document.root(), [](std::string_view) { return "12"; });
  const towpath::Node root = document.root();
  const Object values = check_fields(document, *root.find("s"), {make(FieldKind::kInt)}, "", "s");
  CHECK(document.show_problems() == "");
  CHECK(*values.find("f") == Object(12));
}
