#include "towpath/expr/expression.h"

#include <algorithm>
#include <utility>

#include "towpath/base/format.h"
#include "towpath/expr/node.h"
#include "towpath/expr/parser.h"
#include "towpath/expr/typer.h"

namespace towpath {

using expr::Chunk;
using expr::Node;

struct Expression::Program {
  std::string text;
  std::unique_ptr<Node> root;
  std::vector<Node*> columns;  // nodes that read a column
};

namespace {

void find_columns(Node& node, std::vector<Node*>& found) {
  if (!node.column.empty()) found.push_back(&node);
  for (const auto& arg : node.args) find_columns(*arg, found);
}

// A null's slot holds zero, by contract of a batch; kernels leave there what they computed.
void zero_null_slots(Node& node, int64_t rows) {
  if (node.out.validity == nullptr || is_variable(node.type) || !node.column.empty()) return;
  if (node.type == Type::kBool) {
    auto* bits = reinterpret_cast<uint64_t*>(node.values.data());
    for (int64_t i = 0; i < rows; i += 64) {
      bits[i / 64] &= expr::load_word(node.out.validity, i, rows);
    }
    return;
  }
  auto zero = [&](auto* values) {
    for (int64_t i = 0; i < rows; ++i) values[i] = bit_at(node.out.validity, i) ? values[i] : 0;
  };
  if (value_size(node.type) == sizeof(int32_t)) {
    zero(reinterpret_cast<int32_t*>(node.values.data()));
  } else {
    zero(reinterpret_cast<int64_t*>(node.values.data()));
  }
}

void append_constant(const Node& node, int64_t rows, ColumnBuilder& result) {
  for (int64_t i = 0; i < rows; ++i) result.append_row(node.out, 0);
}

}  // namespace

Expression::Expression(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

Expression Expression::compile(std::string_view text, const Schema& input,
                               const Bindings& bindings) {
  auto program = std::make_unique<Program>();
  program->text = text;
  const expr::Ast ast = expr::parse(program->text);
  program->root = expr::Typer(program->text, input, bindings).type(ast);
  if (program->root->untyped) {
    expr::fail_at(program->root->span, "a null of no type", "write its type: int(null)");
  }
  find_columns(*program->root, program->columns);
  return Expression(std::move(program));
}

Type Expression::type() const { return program_->root->type; }
const std::string& Expression::text() const { return program_->text; }

std::vector<std::string> Expression::columns() const {
  std::vector<std::string> names;
  for (const Node* node : program_->columns) {
    if (std::ranges::find(names, node->column) == names.end()) names.push_back(node->column);
  }
  return names;
}

void Expression::run(const Batch& in, ColumnBuilder& result, std::vector<RowError>& errors) {
  Node& root = *program_->root;
  expect(result.type() == root.type, "an expression's result goes into a column of another type");
  result.clear();
  errors.clear();
  for (Node* node : program_->columns) {
    node->source = &in.column(node->column);
    if (node->source->type != node->type) {
      throw Invalid(format("column \"{}\" is {} in this batch; the expression was compiled for {}",
                           node->column, type_name(node->source->type), type_name(node->type)));
    }
  }
  if (root.constant) return append_constant(root, in.rows(), result);

  Chunk chunk{.batch = &in, .first = 0, .rows = 0};
  for (; chunk.first < in.rows(); chunk.first += expr::kChunkRows) {
    chunk.rows = std::min(expr::kChunkRows, in.rows() - chunk.first);
    expr::evaluate(root, chunk);
    zero_null_slots(root, chunk.rows);
    int64_t done = 0;
    for (const expr::Failure& failure : root.failures) {
      result.append(root.out, done, failure.row - done);
      result.put_null();
      done = failure.row + 1;
      errors.push_back({chunk.first + failure.row, describe(failure, program_->text)});
    }
    result.append(root.out, done, chunk.rows - done);
  }
}

}  // namespace towpath
