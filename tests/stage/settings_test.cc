#include "towpath/stage/settings.h"

#include <catch2/catch.hpp>

#include "towpath/base/error.h"

using namespace towpath;

namespace {

Settings make_settings() {
  Object values;
  values.set("path", "a.csv");
  values.set("rows", 7);
  values.set("share", 0.5);
  values.set("whole", 2);
  values.set("header", true);
  values.set("none", nullptr);
  values.set("by", Object::Array{"day", "country"});
  values.set("keys", Object::Array{"total desc", "day asc", "plain", "two words desc"});
  Object map;
  map.set("z", "sum(x)");
  map.set("a", "count()");
  values.set("aggregates", map);
  Settings::Context context;
  context.pipeline = "sales";
  context.stage = "daily";
  context.inputs = {{{"day", Type::kDate}}};
  context.output = {{"n", Type::kInt}};
  context.params = {{"min", 3}};
  context.partitions = 0b101;
  return Settings(values, context);
}

}  // namespace

TEST_CASE("Settings: getters give the checked values") {
  const Settings s = make_settings();
  CHECK(s.get_string("path") == "a.csv");
  CHECK(s.get_int("rows") == 7);
  CHECK(s.get_float("share") == 0.5);
  CHECK(s.get_float("whole") == 2.0);
  CHECK(s.get_bool("header"));
  CHECK(s.get_strings("by") == std::vector<std::string>{"day", "country"});
  CHECK(s.get_map("aggregates") ==
        std::vector<std::pair<std::string, std::string>>{{"z", "sum(x)"}, {"a", "count()"}});
  CHECK(s.input() == Schema{{"day", Type::kDate}});
  CHECK(s.output() == Schema{{"n", Type::kInt}});
  CHECK(s.bindings().params.at("min") == Object(3));
}

TEST_CASE("Settings: an optional field that was not given is not there") {
  const Settings s = make_settings();
  CHECK(s.has("path"));
  CHECK_FALSE(s.has("none"));
  CHECK_FALSE(s.has("unknown"));
  CHECK_THROWS_AS(s.get_string("none"), Bug);
  CHECK_THROWS_WITH(s.get_int("unknown"), Catch::Contains("daily") && Catch::Contains("unknown"));
  CHECK_THROWS_AS(s.input(1), Bug);
}

TEST_CASE("Settings: sort keys name column and direction") {
  const std::vector<SortKey> keys = make_settings().get_sort_keys("keys");
  REQUIRE(keys.size() == 4);
  CHECK((keys[0].column == "total" && keys[0].descending));
  CHECK((keys[1].column == "day" && !keys[1].descending));
  CHECK((keys[2].column == "plain" && !keys[2].descending));
  CHECK((keys[3].column == "two words" && keys[3].descending));
  CHECK(parse_sort_key("desc").column == "desc");
  CHECK(parse_sort_key(" asc ").column == "asc");
}

TEST_CASE("Settings: a member of a pool owns its partitions") {
  const Settings s = make_settings();
  CHECK(s.owns(0));
  CHECK_FALSE(s.owns(1));
  CHECK(s.owns(2));
  CHECK(Settings(Object(), {}).owns(63));
}

TEST_CASE("Settings: values and context survive encoding") {
  const Settings s = from_bytes<Settings>(to_bytes(make_settings()));
  CHECK(s.values() == make_settings().values());
  CHECK(s.context().pipeline == "sales");
  CHECK(s.context().partitions == 0b101);
  CHECK(s.input() == Schema{{"day", Type::kDate}});
  CHECK(s.bindings().params.at("min") == Object(3));
  CHECK_THROWS_AS(from_bytes<Settings>("\x92\x01\x01"), Invalid);
}
