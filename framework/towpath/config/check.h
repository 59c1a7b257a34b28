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

// The structural check: does `value` have the form that `fields` describe? Unknown keys, missing
// and wrong values become problems of `document`, each with its place and a suggestion. `what`
// names the owner in messages: stage "clean". A scalar (or a list, or a map without known keys)
// sets `main_field`. Returns the fields' values with defaults filled in: bytes and durations as
// int, columns, strings and sort keys as arrays of string, assignments, aggregates and types as
// maps in the order written.
Object check_fields(Document& document, const Node& value, const std::vector<FieldSpec>& fields,
                    std::string_view main_field, std::string_view what);

// The node that gave `field` its value in `value`, to place a later problem on it; null: not
// written, so the value is the field's default. For a field that takes the rest it is the whole
// map.
const Node* find_field_node(const Node& value, const std::vector<FieldSpec>& fields,
                            std::string_view main_field, std::string_view field);

// What a value means when no field says so: 12 is an int, 1.5 a float, true a bool, null nil,
// everything else, and all that is quoted, a string; lists and maps hold such values. Numbers that
// YAML readers understand differently (010, 0x10, 1_000) are problems.
Object infer(Document& document, const Node& value, std::string_view what);

// Replaces ${name} by a param, ${env.NAME:-default} by the environment, and ${here} by the folder
// of the YAML file, in all string leaves under `node` ($$ is a dollar sign; $name stays, it belongs
// to expressions). An unknown name is a problem; `known` are the names to suggest. A value that was
// one ${…} as a whole counts as not quoted, because in a flow map it has to be.
void substitute(Document& document, Node& node,
                const std::function<std::optional<std::string>(std::string_view)>& lookup,
                const std::vector<std::string_view>& known = {});

}  // namespace towpath
