#pragma once
#include <cstdint>
#include <string_view>

#include "towpath/expr/node.h"

// Nodes that hold one value for all rows.

namespace towpath::expr {

std::unique_ptr<Node> constant_null(Type type);
std::unique_ptr<Node> constant_bool(bool value);
std::unique_ptr<Node> constant_int(int64_t value, Type type = Type::kInt);  // timestamp too
std::unique_ptr<Node> constant_float(double value);
std::unique_ptr<Node> constant_date(int32_t days);
std::unique_ptr<Node> constant_text(std::string_view value, Type type = Type::kString);
// The value of a node's first row, copied: the node may share memory of its arguments.
std::unique_ptr<Node> constant_of(const Node& node);

}  // namespace towpath::expr
