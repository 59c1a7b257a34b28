#include "towpath/base/error.h"

#include <catch2/catch.hpp>
#include <cerrno>

using namespace towpath;

TEST_CASE("Error: a caller can catch by what it can do about it") {
  CHECK_THROWS_AS(throw BufferTooShort("x", "message"), Invalid);
  CHECK_THROWS_AS(throw NotSerialisable("x"), Invalid);
  CHECK_THROWS_AS(throw Full("x"), Timeout);
  CHECK_THROWS_AS(throw Empty("x"), Timeout);
  CHECK_THROWS_AS(throw EndOfStream("x"), Closed);
  CHECK_THROWS_AS(throw AuthenticationError("x"), Closed);
  CHECK_THROWS_AS(throw Unsupported("x"), Error);
  CHECK_THROWS_AS(throw Invalid("x"), std::runtime_error);
}

TEST_CASE("Error: a failed system call names itself and its reason") {
  errno = ENOENT;
  try {
    throw_errno("open(data/a.csv)");
    FAIL("nothing was thrown");
  } catch (const SystemError& error) {
    CHECK(error.error_number() == ENOENT);
    CHECK(std::string(error.what()) == "open(data/a.csv): No such file or directory");
  }
}

TEST_CASE("Error: a bug carries the line that found it") {
  CHECK_NOTHROW(expect(true, "holds"));
  CHECK_THROWS_WITH(expect(false, "one is two"),
                    Catch::Contains("error_test.cc:") && Catch::EndsWith(": bug: one is two"));
}
