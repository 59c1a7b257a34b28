#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "towpath/message/column.h"
#include "towpath/message/type.h"

namespace towpath {

// A value read from its text: what text files hold, and casts take. All of the text counts, also
// white space. False: it is not such a text, or out of range. Dates and timestamps: see json.h.
bool read_bool(std::string_view text, bool& value);     // true and false, in any case
bool read_int(std::string_view text, int64_t& value);   // 12, -3, 007
bool read_float(std::string_view text, double& value);  // 1, -2.5, 1e9, nan, inf

// One typed value read from its text, to be put into a column later: a row is begun only when all
// its values are known to fit.
struct TextValue {
  bool null = false;
  bool boolean = false;
  int32_t days = 0;
  int64_t integer = 0;  // timestamp too
  double real = 0;
  std::string_view text;  // of a string or binary column

  // False: the text is not of that type. Object is no type of a text.
  bool read(Type type, std::string_view from);
  void put(ColumnBuilder& column) const;
};
// `qty: "abc" is not an int`: why a row was rejected. `shown` is the value as it stands in the
// reason.
std::string misfit(std::string_view column, std::string_view text, Type type);
std::string misfit_of(std::string_view column, std::string_view shown, Type type);

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
