#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/config/document.h"
#include "towpath/config/field_spec.h"
#include "towpath/message/object.h"

namespace towpath {

// The structural check: does `value` have the form that `fields` describe? Unknown keys, missing and wrong
// values become problems of `document`, each with its place and a suggestion. `what` names the owner in
// messages: stage "clean". A scalar (or a list, or a map without known keys) sets `main_field`.
// Returns the fields' values with defaults filled in: bytes and durations as int, columns, strings and sort
// keys as arrays of string, assignments, aggregates and types as maps in the order written.
Object check_fields(Document& document, const Node& value, const std::vector<FieldSpec>& fields,
                    std::string_view main_field, std::string_view what);

// Replaces ${name} by a param, ${env.NAME:-default} by the environment, and ${here} by the folder of the YAML
// file, in all string leaves under `node` ($$ is a dollar sign). An unknown name is a problem.
void substitute(Document& document, Node& node,
                const std::function<std::optional<std::string>(std::string_view)>& lookup);

}  // namespace towpath
