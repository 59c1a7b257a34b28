#include "towpath/pool/intake.h"

#include "helpers.h"

using namespace towpath;
using namespace towpath::pools;

namespace {

const Code kSquare = code_of(square);

Parcel task(int argument) {
  Parcel parcel;
  parcel.arguments = to_bytes(argument);
  return parcel;
}

}  // namespace

TEST_CASE("Intake: tasks are taken in order and each once") {
  Intake intake;
  intake.name(kSquare, 7);
  for (int i = 0; i < 3; ++i) {
    Parcel one = task(i);
    CHECK(intake.put_one(kSquare, one) == Intake::Put::kDone);
  }
  std::vector<Parcel> taken;
  intake.take(taken);
  REQUIRE(taken.size() == 3);
  for (int i = 0; i < 3; ++i) {
    CHECK(taken[static_cast<size_t>(i)].arguments == to_bytes(i));
    CHECK(taken[static_cast<size_t>(i)].first == static_cast<uint64_t>(i));
    CHECK(taken[static_cast<size_t>(i)].code == 7);
  }
  taken.clear();
  intake.take(taken);
  CHECK(taken.empty());
}

TEST_CASE("Intake: a code without a number is asked for and the task stays with its owner") {
  Intake intake;
  Parcel one = task(1);
  CHECK(intake.put_one(kSquare, one) == Intake::Put::kUnnamed);
  CHECK(one.arguments == to_bytes(1));
  intake.name(kSquare, 0);
  CHECK(intake.put_one(kSquare, one) == Intake::Put::kDone);
}

TEST_CASE("Intake: who sleeps is woken by the next task alone") {
  Intake intake;
  Parcel one = task(1), two = task(2), three = task(3), four = task(4);
  CHECK(intake.put(one) == Intake::Put::kDone);
  CHECK_FALSE(intake.ask_to_wake());  // something is there already
  CHECK(intake.put(two) == Intake::Put::kDone);
  std::vector<Parcel> taken;
  intake.take(taken);
  CHECK(intake.ask_to_wake());
  CHECK(intake.put(three) == Intake::Put::kWake);
  CHECK(intake.put(four) == Intake::Put::kDone);
}

TEST_CASE("Intake: once shut it refuses and gives out what it has") {
  Intake intake;
  Parcel one = task(1), two = task(2);
  CHECK(intake.put(one) == Intake::Put::kDone);
  intake.shut();
  CHECK(intake.put(two) == Intake::Put::kShut);
  CHECK(intake.put_one(kSquare, two) == Intake::Put::kShut);
  CHECK(two.arguments == to_bytes(2));
  std::vector<Parcel> taken;
  intake.take(taken);
  CHECK(taken.size() == 1);
}
