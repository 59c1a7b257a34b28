#include "towpath/stage/stage_spec.h"

#include <catch2/catch.hpp>

#include "towpath/base/error.h"
#include "towpath/stage/catalogue.h"

using namespace towpath;

namespace {

StageSpec full_spec() {
  return StageSpec("csv.read")
      .summary("Reads rows.")
      .field(field("path", FieldKind::kPath).must().about("Which files."))
      .field(field("rows", FieldKind::kInt).default_value("7").range(1, 1e6).in_unit("rows"))
      .field(choice_field("header", {"yes", "no"}).default_value("yes"))
      .field(expression_field("where", "bool"))
      .field(field("types", FieldKind::kTypes).takes_rest())
      .field(field("by", FieldKind::kColumns))
      .main_field("path")
      .reads("by")
      .keeps_input()
      .writes("line", Type::kTimestamp)
      .writes_named_by("path", Type::kInt)
      .writes_rule(OutputRule::Kind::kWithout, "by")
      .detects_columns()
      .example("csv.read: a.csv")
      .reads_files()
      .row_to_row()
      .stateful()
      .keyed_by("by")
      .one_worker()
      .role(Role::kSink);
}

}  // namespace

TEST_CASE("StageSpec: every part survives encoding") {
  const StageSpec spec = full_spec();
  const StageSpec copy = StageSpec::decode(spec.encode());
  CHECK(copy.encode() == spec.encode());
  CHECK(copy.kind() == "csv.read");
  CHECK(copy.summary() == "Reads rows.");
  CHECK(copy.role() == Role::kSink);
  CHECK(copy.main_field() == "path");
  CHECK(copy.read_fields() == std::vector<std::string>{"by"});
  CHECK(copy.examples() == std::vector<std::string>{"csv.read: a.csv"});
  CHECK(copy.key_field() == "by");
  CHECK((copy.is_reader() && copy.is_row_to_row() && copy.is_stateful() && copy.is_one_worker()));
  REQUIRE(copy.fields().size() == 6);
  const FieldSpec* rows = copy.find_field("rows");
  REQUIRE(rows != nullptr);
  CHECK((rows->kind == FieldKind::kInt && rows->fallback == "7" && rows->min == 1.0 &&
         rows->max == 1e6));
  CHECK(rows->unit == "rows");
  CHECK(copy.find_field("header")->choices == std::vector<std::string>{"yes", "no"});
  CHECK(copy.find_field("where")->result == "bool");
  CHECK(copy.find_field("types")->rest);
  CHECK(copy.find_field("path")->required);
  CHECK(copy.find_field("nope") == nullptr);
  REQUIRE(copy.rules().size() == 5);
  CHECK((copy.rules()[1].kind == OutputRule::Kind::kColumn && copy.rules()[1].name == "line" &&
         copy.rules()[1].type == Type::kTimestamp));
  CHECK(copy.rules()[3].field == "by");
}

TEST_CASE("StageSpec: damaged bytes are Invalid") {
  const std::string bytes = full_spec().encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK_THROWS_AS(StageSpec::decode(bytes.substr(0, size)), Invalid);
  }
  CHECK_THROWS_AS(StageSpec::decode(bytes + "x"), Invalid);
  std::string other_version = bytes;
  other_version[1] = 99;
  CHECK_THROWS_WITH(StageSpec::decode(other_version), Catch::Contains("version 99"));
  for (size_t at = 0; at < bytes.size(); ++at) {  // any change either decodes or is Invalid
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    try {
      StageSpec::decode(changed);
    } catch (const Invalid&) {
    }
  }
}

TEST_CASE("Catalogue: a kind is found and a near one is suggested") {
  Catalogue catalogue;
  catalogue.add(StageSpec("filter"), "core.so");
  catalogue.add(StageSpec("text.words"), "text.so");
  REQUIRE(catalogue.find("filter") != nullptr);
  CHECK(catalogue.find("filter")->plugin == "core.so");
  CHECK(catalogue.find("fitler") == nullptr);
  CHECK(catalogue.nearest_kind("fitler") == "filter");
  CHECK(catalogue.nearest_kind("words") == "text.words");
  CHECK(catalogue.nearest_kind("zzzzzz").empty());
}

TEST_CASE("Catalogue: a kind in two plugins is an error that names both") {
  Catalogue catalogue;
  catalogue.add(StageSpec("filter"), "core.so");
  CHECK_THROWS_WITH(catalogue.add(StageSpec("filter"), "mine.so"),
                    Catch::Contains("core.so") && Catch::Contains("mine.so"));
  CHECK_THROWS_WITH(catalogue.add(StageSpec("filter"), ""), Catch::Contains("the program itself"));
}
