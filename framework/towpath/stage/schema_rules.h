#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/config/document.h"
#include "towpath/expr/expression.h"
#include "towpath/message/object.h"
#include "towpath/message/type.h"
#include "towpath/stage/stage_spec.h"

// What a stage's fields mean over the columns of its input: are the columns there, do the
// expressions have a type, and which columns come out. All of it is known before a run. The form of
// the fields has been checked before (config/check.h).

namespace towpath {

// What is wrong with a field's value, and where in it.
class FieldError : public Invalid {
 public:
  struct Place {
    std::string field;  // name of the field
    std::string entry;  // of a map: the key whose value is meant; else empty
    int item = -1;      // of a list: position of the value that is meant; else -1
    bool key = false;   // the entry's key is meant, not its value
    size_t offset = 0;  // bytes within that text
    size_t length = 0;
  };
  FieldError(Place place, const std::string& message, std::string hint = "")
      : Invalid(message), place_(std::move(place)), hint_(std::move(hint)) {}
  const Place& place() const { return place_; }
  const std::string& hint() const { return hint_; }  // how to fix it, or empty

 private:
  Place place_;
  std::string hint_;
};

// All that is wrong with the stage's fields, in the order of the spec's fields. Empty:
// derive_output() will succeed. `values` are those of check_fields(); `inputs` are the schemas of
// its inputs (none: a source).
std::vector<FieldError> check_columns(const StageSpec& spec, const Object& values,
                                      const std::vector<Schema>& inputs, const Bindings& bindings);

// The columns of the stage's output. Throws the first FieldError of check_columns(). `detect` is
// called for a stage that detects its columns; what it throws passes through. Without it, such
// columns are left out.
Schema derive_output(const StageSpec& spec, const Object& values, const std::vector<Schema>& inputs,
                     const Bindings& bindings, const std::function<Schema()>& detect = {});

// The error as a problem of the document in which the stage's fields stand at `value`. `what` names
// the owner: stage "clean".
Problem problem_of(const FieldError& error, const StageSpec& spec, const Node& value,
                   std::string_view what);

}  // namespace towpath
