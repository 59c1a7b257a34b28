#pragma once
#include <cstdint>
#include <string_view>

#include "towpath/message/type.h"

namespace towpath {

// A value read from its text: what text files hold, and casts take. All of the text counts, also
// white space. False: it is not such a text, or out of range. Dates and timestamps: see json.h.
bool read_bool(std::string_view text, bool& value);     // true and false, in any case
bool read_int(std::string_view text, int64_t& value);   // 12, -3, 007
bool read_float(std::string_view text, double& value);  // 1, -2.5, 1e9, nan, inf

// Which type a column of texts has, when nobody says so: bool (true and false only), int, float,
// date, timestamp where every text reads so, else string. Numbers that would not come back as they
// were, as 007 or one too large, make a column of strings.
class TypeGuess {
 public:
  void see(std::string_view text) {
    if (open_ != 0 || !seen_) look(text);
  }
  Type type() const;  // string when nothing was seen

 private:
  void look(std::string_view text);
  bool seen_ = false;
  unsigned open_ = 0;  // a bit for each type that is still possible
};

}  // namespace towpath
