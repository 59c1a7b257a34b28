#include "towpath/expr/key_hash.h"

#include <catch2/catch.hpp>
#include <limits>
#include <set>

#include "tests/expr/support.h"

using namespace towpath;
using testing::rows;

namespace {

std::vector<uint64_t> hashes(const Batch& in, const std::vector<std::string>& columns) {
  std::vector<uint64_t> out;
  hash_rows(in, columns, out);
  return out;
}

}  // namespace

TEST_CASE("Key hash: equal keys hash alike and null is a key of its own") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Batch in = rows({{"f", Type::kFloat}, {"s", Type::kString}, {"i", Type::kInt}},
                        {{0.0, "", int64_t{0}},
                         {-0.0, nullptr, nullptr},
                         {nan, "a", int64_t{1}},
                         {-nan, "a", int64_t{1}},
                         {1.0, "b", int64_t{-1}}});
  const auto f = hashes(in, {"f"});
  CHECK(f[0] == f[1]);
  CHECK(f[2] == f[3]);
  CHECK(f[0] != f[4]);
  const auto s = hashes(in, {"s"});
  CHECK(s[0] != s[1]);
  CHECK(s[2] == s[3]);
  const auto i = hashes(in, {"i"});
  CHECK(i[0] != i[1]);
  const auto both = hashes(in, {"f", "s"});
  CHECK(both[0] != both[1]);
  CHECK(both[2] == both[3]);
  CHECK(both[2] != hashes(in, {"s", "f"})[2]);
  CHECK_THROWS_AS(hashes(in, {"missing"}), Invalid);
}

TEST_CASE("Key hash: it is the same in every version and on every host") {
  const Batch in = rows({{"s", Type::kString}, {"i", Type::kInt}, {"d", Type::kDate}},
                        {{"abc", int64_t{42}, "2024-02-29"}});
  CHECK(hashes(in, {"s"})[0] == 8696274497037089104u);  // XXH3's own value of "abc"
  CHECK(hashes(in, {"s", "i", "d"})[0] == hashes(in, {"s", "i", "d"})[0]);
  std::vector<uint8_t> partitions;
  partition_rows(in, std::vector<std::string>{"s"}, partitions);
  CHECK(partitions == std::vector<uint8_t>{8696274497037089104u & 63});
}

TEST_CASE("Key hash: keys spread over all partitions") {
  std::vector<std::vector<Object>> values;
  for (int64_t i = 0; i < 6400; ++i) values.push_back({i, Object("key " + std::to_string(i))});
  const Batch in = rows({{"i", Type::kInt}, {"s", Type::kString}}, values);
  for (const std::vector<std::string>& columns :
       std::vector<std::vector<std::string>>{{"i"}, {"s"}, {"i", "s"}}) {
    std::vector<uint8_t> partitions;
    partition_rows(in, columns, partitions);
    std::vector<int> counts(64);
    for (const uint8_t partition : partitions) ++counts.at(partition);
    for (const int count : counts) CHECK((count > 50 && count < 160));
    const auto all = hashes(in, columns);
    CHECK(std::set<uint64_t>(all.begin(), all.end()).size() == all.size());
  }
}
