#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace towpath {

// How YAML's numbers are read: decimal only. 010, 0x10 and 1_000 mean different things to different
// readers, so they mean nothing here, and the message says what to write.
struct Number {
  enum class Kind { kNone, kInt, kFloat, kAmbiguous, kTooLarge };
  Kind kind = Kind::kNone;
  int64_t integer = 0;
  double real = 0;     // also of an integer
  std::string hint{};  // kAmbiguous: what to write instead
};

Number read_number(std::string_view text);

}  // namespace towpath
