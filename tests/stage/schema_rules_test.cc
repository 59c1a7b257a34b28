#include "towpath/stage/schema_rules.h"

#include <catch2/catch.hpp>

#include "towpath/config/check.h"

using namespace towpath;

namespace {

const Schema kSales = {{"day", Type::kDate}, {"country", Type::kString}, {"qty", Type::kInt}};

Object map_of(std::initializer_list<std::pair<const char*, Object>> entries) {
  Object map{Object::Map{}};
  for (const auto& [key, value] : entries) map.set(key, value);
  return map;
}

StageSpec group_spec() {
  return StageSpec("group")
      .reads("by")
      .field(field("by", FieldKind::kColumns).default_value("[]"))
      .field(field("aggregates", FieldKind::kAggregates).takes_rest())
      .writes_rule(OutputRule::Kind::kColumnsOf, "by")
      .writes_rule(OutputRule::Kind::kAssignments, "aggregates");
}

StageSpec map_spec() {
  return StageSpec("map")
      .field(field("columns", FieldKind::kAssignments).must().takes_rest())
      .keeps_input()
      .writes_rule(OutputRule::Kind::kAssignments, "columns");
}

StageSpec filter_spec() {
  return StageSpec("filter")
      .field(expression_field("where", "bool").must())
      .main_field("where")
      .keeps_input();
}

FieldError only_error(const StageSpec& spec, const Object& values,
                      const std::vector<Schema>& inputs) {
  const std::vector<FieldError> errors = check_columns(spec, values, inputs, {});
  REQUIRE(errors.size() == 1);
  CHECK_THROWS_AS(derive_output(spec, values, inputs, {}), FieldError);
  return errors[0];
}

// The problems of a stage's YAML over kSales, as `check` shows them.
std::string problems(const StageSpec& spec, const std::string& yaml) {
  Document document = Document::parse("t.yaml", yaml);
  REQUIRE(document.ok());
  const Node value = document.root().entries.at(0).second;
  const std::string what = "stage \"" + spec.kind() + "\"";
  const Object values = check_fields(document, value, spec.fields(), spec.main_field(), what);
  REQUIRE(document.show_problems() == "");
  for (const FieldError& error : check_columns(spec, values, {kSales}, {})) {
    document.add(problem_of(error, spec, value, what));
  }
  return document.show_problems();
}

}  // namespace

TEST_CASE("derive_output: rules apply in order") {
  const StageSpec spec = StageSpec("s")
                             .keeps_input()
                             .writes("line", Type::kInt)
                             .writes("qty", Type::kFloat)
                             .field(field("as", FieldKind::kString))
                             .writes_named_by("as", Type::kBool)
                             .field(field("without", FieldKind::kColumns))
                             .writes_rule(OutputRule::Kind::kWithout, "without");
  const Object values = map_of({{"as", "flag"}, {"without", Object::Array{"day"}}});
  CHECK(show_schema(derive_output(spec, values, {kSales}, {})) ==
        show_schema({{"country", Type::kString},
                     {"qty", Type::kFloat},
                     {"line", Type::kInt},
                     {"flag", Type::kBool}}));
}

TEST_CASE("derive_output: fields that were not given add nothing") {
  const StageSpec spec = StageSpec("s")
                             .keeps_input()
                             .field(field("as", FieldKind::kString))
                             .writes_named_by("as", Type::kBool)
                             .field(field("types", FieldKind::kTypes))
                             .writes_rule(OutputRule::Kind::kTypesOf, "types")
                             .writes_rule(OutputRule::Kind::kColumnsOf, "columns")
                             .writes_rule(OutputRule::Kind::kWithout, "without");
  CHECK(derive_output(spec, Object(Object::Map{}), {kSales}, {}) == kSales);
}

TEST_CASE("derive_output: columns come in the order that a field lists them") {
  const StageSpec spec = StageSpec("s")
                             .field(field("c", FieldKind::kColumns))
                             .writes_rule(OutputRule::Kind::kColumnsOf, "c");
  const Object values = map_of({{"c", Object::Array{"qty", "day"}}});
  CHECK(derive_output(spec, values, {kSales}, {}) ==
        Schema{{"qty", Type::kInt}, {"day", Type::kDate}});
}

TEST_CASE("derive_output: types name columns and their types") {
  const StageSpec spec = StageSpec("s")
                             .field(field("t", FieldKind::kTypes))
                             .writes_rule(OutputRule::Kind::kTypesOf, "t");
  const Object values = map_of({{"t", map_of({{"b", "date"}, {"a", "float"}})}});
  CHECK(derive_output(spec, values, {}, {}) == Schema{{"b", Type::kDate}, {"a", Type::kFloat}});

  const FieldError error = only_error(spec, map_of({{"t", map_of({{"b", "flaot"}})}}), {});
  CHECK(error.place().field == "t");
  CHECK(error.place().entry == "b");
  CHECK(error.hint() == "did you mean \"float\"?");
}

TEST_CASE("derive_output: detected columns are asked of the stage") {
  const StageSpec spec = StageSpec("s").detects_columns().writes("line", Type::kInt);
  const auto detect = [] { return Schema{{"a", Type::kBool}}; };
  CHECK(derive_output(spec, Object(), {}, {}, detect) ==
        Schema{{"a", Type::kBool}, {"line", Type::kInt}});
  CHECK(derive_output(spec, Object(), {}, {}) == Schema{{"line", Type::kInt}});
  const auto missing = []() -> Schema { throw Invalid("no such file"); };
  CHECK_THROWS_WITH(derive_output(spec, Object(), {}, {}, missing), "no such file");
}

TEST_CASE("check_columns: an unknown column names its place and a near one") {
  const StageSpec spec = StageSpec("s").field(column_field("column")).keeps_input();
  const FieldError error = only_error(spec, map_of({{"column", "contry"}}), {kSales});
  CHECK(std::string(error.what()) ==
        "there is no column \"contry\"; its input has day, country, qty");
  CHECK(error.hint() == "did you mean \"country\"?");
  CHECK(error.place().field == "column");
  CHECK(error.place().length == 6);
}

TEST_CASE("check_columns: a column of another type than the field takes is an error") {
  const StageSpec spec = StageSpec("words")
                             .field(column_field("column").of_type({Type::kString, Type::kBinary}))
                             .field(field("by", FieldKind::kSortKeys).of_type({Type::kInt}))
                             .reads("column")
                             .keeps_input();
  const Schema input = {{"n", Type::kInt}, {"text", Type::kBinary}, {"o", Type::kObject}};
  auto said = [&](const char* column, Object::Array by) {
    std::string text;
    for (const FieldError& error :
         check_columns(spec, map_of({{"column", column}, {"by", std::move(by)}}), {input}, {})) {
      text += std::string(error.what()) + "; " + error.hint() + "\n";
    }
    return text;
  };
  CHECK(said("text", {"n desc"}) == "");
  CHECK(said("n", {"o", "n", "text"}) ==
        "column \"n\" is of type int; column takes string or binary; convert it before: map: { n: "
        "string(n) }\n"
        "column \"o\" is of type object; by takes int; take a value out of it before: map: { NAME: "
        "\"get(o, 'KEY')\" }\n"
        "column \"text\" is of type binary; by takes int; \n");
}

TEST_CASE("check_columns: names that differ in case only are an error where case does not count") {
  const Schema input = {{"Day", Type::kInt}, {"day", Type::kInt}};
  CHECK(check_columns(StageSpec("w"), map_of({}), {input}, {}).empty());
  const auto errors = check_columns(StageSpec("w").ignores_case(), map_of({}), {input}, {});
  REQUIRE(errors.size() == 1);
  CHECK(std::string(errors[0].what()) ==
        "columns \"Day\" and \"day\" differ in case only: here they are one name");
}

TEST_CASE("check_columns: a field that names a new column need not name an old one") {
  const StageSpec names =
      StageSpec("s").field(column_field("as")).writes_named_by("as", Type::kInt);
  CHECK(check_columns(names, map_of({{"as", "new"}}), {kSales}, {}).empty());
  // But one that is read must be there, although its column is written again.
  const StageSpec reads =
      StageSpec("s").field(column_field("as")).reads("as").writes_named_by("as", Type::kInt);
  CHECK(check_columns(reads, map_of({{"as", "new"}}), {kSales}, {}).size() == 1);
}

TEST_CASE("check_columns: columns of a source are not looked for") {
  const StageSpec spec = StageSpec("s").field(column_field("column"));
  CHECK(check_columns(spec, map_of({{"column", "x"}}), {}, {}).empty());
}

TEST_CASE("check_columns: a stage of several inputs finds columns in any of them") {
  const StageSpec spec = StageSpec("s").field(column_field("column"));
  const Schema other = {{"day", Type::kDate}, {"rate", Type::kFloat}};
  CHECK(check_columns(spec, map_of({{"column", "rate"}}), {kSales, other}, {}).empty());
  const FieldError error = only_error(spec, map_of({{"column", "zzz"}}), {kSales, other});
  CHECK(std::string(error.what()).ends_with("its input has day, country, qty, rate"));
}

TEST_CASE("check_columns: lists and sort keys are checked one by one and all at once") {
  const StageSpec spec = StageSpec("s")
                             .field(field("by", FieldKind::kColumns))
                             .field(field("keys", FieldKind::kSortKeys));
  const Object values = map_of({{"by", Object::Array{"day", "dya", "day"}},
                                {"keys", Object::Array{"qty desc", "qyt desc", "day asc"}}});
  const std::vector<FieldError> errors = check_columns(spec, values, {kSales}, {});
  REQUIRE(errors.size() == 3);
  CHECK((errors[0].place().field == "by" && errors[0].place().item == 1));
  CHECK(std::string(errors[1].what()) == "column \"day\" stands here twice");
  CHECK((errors[1].place().item == 2));
  CHECK((errors[2].place().field == "keys" && errors[2].place().item == 1));
  CHECK(errors[2].place().length == 3);
  CHECK(errors[2].hint() == "did you mean \"qty\"?");
}

TEST_CASE("derive_output: the type of an assignment is that of its expression") {
  const Object values = map_of({{"columns", map_of({{"total", "qty * 1.5"}, {"qty", "qty > 1"}})}});
  CHECK(derive_output(map_spec(), values, {kSales}, {}) == Schema{{"day", Type::kDate},
                                                                  {"country", Type::kString},
                                                                  {"qty", Type::kBool},
                                                                  {"total", Type::kFloat}});
}

TEST_CASE("derive_output: params are known to expressions") {
  Bindings bindings;
  bindings.params.emplace("rate", Object(1.5));
  const Object values = map_of({{"columns", map_of({{"total", "qty * $rate"}})}});
  CHECK(derive_output(map_spec(), values, {kSales}, bindings).back() ==
        Field{"total", Type::kFloat});
  CHECK(check_columns(map_spec(), values, {kSales}, {}).size() == 1);
}

TEST_CASE("derive_output: aggregates follow the key's columns") {
  const Object values = map_of({{"by", Object::Array{"country"}},
                                {"aggregates", map_of({{"n", "count()"}, {"mean", "mean(qty)"}})}});
  CHECK(derive_output(group_spec(), values, {kSales}, {}) ==
        Schema{{"country", Type::kString}, {"n", Type::kInt}, {"mean", Type::kFloat}});
}

TEST_CASE("check_columns: an expression of another type than asked for is an error") {
  const FieldError error = only_error(filter_spec(), map_of({{"where", "qty + 1"}}), {kSales});
  CHECK(std::string(error.what()) == "this is an int, but must be bool");
  CHECK(error.place().length == 7);
}

TEST_CASE("problem_of: errors point into the expression") {
  const std::string shown = problems(filter_spec(), "filter: qty > 1 and qyt > 0\n");
  CHECK_THAT(shown, Catch::StartsWith("t.yaml:1:21: error: stage \"filter\": ") &&
                        Catch::Contains("^~~ did you mean"));
}

TEST_CASE("problem_of: errors point into quoted text and map entries and lists") {
  CHECK_THAT(problems(filter_spec(), "filter:\n  where: \"day > 0 and qyt > 0\"\n"),
             Catch::Contains("t.yaml:2:"));
  CHECK_THAT(problems(filter_spec(), "filter: 'true and qyt > 0'\n"),
             Catch::Contains("t.yaml:1:19:"));
  CHECK_THAT(problems(map_spec(), "map:\n  total: qty * 2\n  other: qyt * 2\n"),
             Catch::Contains("t.yaml:3:10:"));
  CHECK_THAT(
      problems(group_spec(), "group: { by: [day, contry], n: count() }\n"),
      Catch::Contains("t.yaml:1:20:") && Catch::Contains("^~~~~~ did you mean \"country\"?"));
  CHECK_THAT(problems(group_spec(), "group:\n  by: [day]\n  day: count()\n"),
             Catch::Contains("t.yaml:3:3:") && Catch::Contains("stands in \"by\" already"));
}
