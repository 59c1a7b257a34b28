#include "towpath/process/signature.h"

#include <catch2/catch.hpp>

#include "helpers.h"
#include "towpath/process/process.h"

using namespace towpath;

namespace {

void exit_with(int code) noexcept { std::exit(code); }
void exit_with_size(size_t size) { std::exit(static_cast<int>(size)); }

std::string refused(auto make) {
  try {
    make();
  } catch (const NotSerialisable& error) {
    return error.what();
  }
  return "(none)";
}

}  // namespace

TEST_CASE("Process: functions and lambdas that are noexcept are targets") {
  static_assert(Target<decltype(&exit_with)>);
  for (const Method method : methods()) {
    Process function(Options{.method = method}, exit_with, 3);
    Process lambda(
        Options{.method = method}, [](int code) noexcept { std::exit(code); }, 4);
    function.start();
    REQUIRE(function.join(kSoon));
    CHECK(function.exitcode() == 3);
    lambda.start();
    REQUIRE(lambda.join(kSoon));
    CHECK(lambda.exitcode() == 4);
  }
}

TEST_CASE("Process: an integer that its parameter can't hold is refused and not cut") {
  Process fits(exit_with_size, 5);  // an int is fine
  fits.start();
  REQUIRE(fits.join(kSoon));
  CHECK(fits.exitcode() == 5);
  CHECK(refused([] { Process(exit_with, 3'000'000'000LL); }) ==
        "the argument 3000000000 does not fit the target's parameter, which is int: take a wider "
        "parameter, or convert it yourself");
  CHECK(refused([] {
          Process(exit_with_size, -1);
        }).starts_with("the argument -1 does not fit the target's parameter, which is unsigned"));
}

TEST_CASE("Target: what has no one address of code is none") {
  struct Class {
    [[maybe_unused]] int member(int n) { return n; }
  };
  const auto generic = [](auto) {};
  static_assert(!Target<decltype(generic)>);
  static_assert(!Target<decltype(&Class::member)>);
  static_assert(!Target<int> && !Target<int*> && !Target<std::string>);
  static_assert(!Target<int (*)(const char*, ...)>);
}
