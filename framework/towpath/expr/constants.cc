#include "towpath/expr/constants.h"

#include <algorithm>

namespace towpath::expr {
namespace {

using NodePtr = std::unique_ptr<Node>;

NodePtr constant(Type type) {
  auto node = std::make_unique<Node>(type);
  node->constant = true;
  node->out.rows = 1;
  return node;
}

}  // namespace

std::unique_ptr<Node> constant_null(Type type) {
  NodePtr node = constant(type);
  std::fill_n(node->fixed<uint64_t>(1), 1, 0);
  node->out.offsets = reinterpret_cast<const int32_t*>(node->values.data());
  node->set_null(0);
  return node;
}
std::unique_ptr<Node> constant_bool(bool value) {
  NodePtr node = constant(Type::kBool);
  *node->bits(1) = value ? 1 : 0;
  return node;
}
std::unique_ptr<Node> constant_int(int64_t value, Type type) {
  NodePtr node = constant(type);
  *node->fixed<int64_t>(1) = value;
  return node;
}
std::unique_ptr<Node> constant_float(double value) {
  NodePtr node = constant(Type::kFloat);
  *node->fixed<double>(1) = value;
  return node;
}
std::unique_ptr<Node> constant_date(int32_t days) {
  NodePtr node = constant(Type::kDate);
  *node->fixed<int32_t>(1) = days;
  return node;
}
std::unique_ptr<Node> constant_text(std::string_view value, Type type) {
  NodePtr node = constant(type);
  TextWriter(*node, 1).put(value);
  return node;
}

std::unique_ptr<Node> constant_of(const Node& node) {
  const Column& column = node.out;
  if (column.is_null(0)) return constant_null(node.type);
  switch (node.type) {
    case Type::kBool:
      return constant_bool(column.bool_at(0));
    case Type::kInt:
    case Type::kTimestamp:
      return constant_int(column.int_at(0), node.type);
    case Type::kFloat:
      return constant_float(column.float_at(0));
    case Type::kDate:
      return constant_date(column.date_at(0));
    case Type::kString:
    case Type::kBinary:
    case Type::kObject:
      break;
  }
  return constant_text(column.text_at(0), node.type);
}

}  // namespace towpath::expr
