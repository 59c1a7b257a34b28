#include "towpath/message/object.h"

#include <catch2/catch.hpp>
#include <cstdint>

#include "towpath/base/error.h"

using namespace towpath;

TEST_CASE("Object: it is nil until set") {
  Object object;
  CHECK(object.is_nil());
  CHECK(object.kind() == "nil");
  object.set("a", 1);
  object.set("b", "two");
  object.set("a", 3);
  REQUIRE(object.as_map().size() == 2);
  CHECK(object.as_map()[0].first == Object("a"));
  CHECK(object.find("a")->as_int() == 3);
  CHECK(object.find("c") == nullptr);
  CHECK(Object(1).find("a") == nullptr);
  CHECK_THROWS_AS(Object(1).set("a", 1), Invalid);
}

TEST_CASE("Object: unsigned integers are ints where they fit") {
  CHECK(Object(uint64_t{5}).is_int());
  CHECK(Object(uint64_t{INT64_MAX}).is_int());
  const Object large(uint64_t{1} << 63);
  CHECK(large.is_uint());
  CHECK(large.kind() == "int");
  CHECK(large.as_uint() == uint64_t{1} << 63);
  CHECK_THROWS_AS(large.as_int(), Invalid);
  CHECK_THROWS_AS(Object(-1).as_uint(), Invalid);
  CHECK(Object(7).as_uint() == 7);
  CHECK(Object(7).as_float() == 7.0);
  CHECK(Object(0.5).as_float() == 0.5);
}

TEST_CASE("Object: asking for another kind names both kinds") {
  CHECK_THROWS_WITH(Object("x").as_int(), "expected int, found string");
  CHECK_THROWS_WITH(Object().as_map(), "expected map, found nil");
  CHECK_THROWS_WITH(Object(true).as_string(), "expected string, found bool");
  CHECK_THROWS_AS(Object("x").as_binary(), Invalid);
  CHECK_THROWS_AS(Object(1.5).as_int(), Invalid);
  CHECK_THROWS_AS(Object(1).as_bool(), Invalid);
  CHECK_THROWS_AS(Object(1).as_array(), Invalid);
}

TEST_CASE("Object: maps are equal whatever the order of their keys") {
  Object a, b;
  a.set("x", 1);
  a.set("y", Object::Array{1, 2});
  b.set("y", Object::Array{1, 2});
  b.set("x", 1);
  CHECK(a == b);
  b.set("x", 2);
  CHECK_FALSE(a == b);
  CHECK_FALSE(Object("a") == Object(Object::Binary{"a"}));
  CHECK_FALSE(Object(1) == Object(1.0));
  CHECK_FALSE(Object(Object::Array{1, 2}) == Object(Object::Array{2, 1}));
}
