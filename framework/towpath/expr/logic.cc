#include <algorithm>
#include <utility>

#include "towpath/expr/functions.h"
#include "towpath/expr/kernels.h"
#include "towpath/expr/operators.h"

// and or not, is null, if, coalesce, nullif. Conditions are three-valued: true, false, unknown
// (null). They are worked 64 rows at a time as two words: where it is true, and where it is false.
//
// A row fails only by what it would have evaluated from left to right: `x != 0 and 10 // x > 1`
// never fails.

namespace towpath::expr {
namespace {

struct Known {
  uint64_t yes, no;
};
Known known(const Node& node, int64_t i, int64_t rows) {
  const uint64_t valid = validity_word(node, i, rows);
  const uint64_t value = value_word(node, i, rows);
  return {value & valid, ~value & valid};
}

// Writes a three-valued result; the bitmap of validity only where something is unknown.
class KnownWriter {
 public:
  KnownWriter(Node& node, int64_t rows) : node_(node), rows_(rows), bits_(node.bits(rows)) {}
  void put(int64_t i, Known word) {
    const int64_t left = rows_ - i;
    const uint64_t inside = left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
    const uint64_t valid = word.yes | word.no;
    if ((~valid & inside) != 0 && !valid_) valid_ = node_.own_validity();
    bits_[i / 64] = word.yes;
    if (valid_) valid_[i / 64] = valid;
  }

 private:
  Node& node_;
  int64_t rows_;
  uint64_t* bits_;
  uint64_t* valid_ = nullptr;
};

bool value_is(const Node& node, int64_t row, bool value) {
  return !node.is_null(row) && node.out.bool_at(node.constant ? 0 : row) == value;
}

// `decisive`: the value that decides the whole; false for and, true for or.
template <bool decisive>
void connect(Node& self, const Chunk& chunk) {
  for (size_t k = 0; k < self.args.size(); ++k) {
    take_failures(self, self.arg(k), [&](int32_t row) {
      for (size_t before = 0; before < k; ++before) {
        if (value_is(self.arg(before), row, decisive)) return false;
      }
      return true;
    });
  }
  KnownWriter writer(self, chunk.rows);
  for (int64_t i = 0; i < chunk.rows; i += 64) {
    Known whole = known(self.arg(0), i, chunk.rows);
    for (size_t k = 1; k < self.args.size(); ++k) {
      const Known part = known(self.arg(k), i, chunk.rows);
      if constexpr (decisive) {
        whole = {whole.yes | part.yes, whole.no & part.no};
      } else {
        whole = {whole.yes & part.yes, whole.no | part.no};
      }
    }
    writer.put(i, whole);
  }
}

void negate(Node& self, const Chunk& chunk) {
  uint64_t* out = self.bits(chunk.rows);
  for (int64_t i = 0; i < chunk.rows; i += 64) {
    out[i / 64] = ~value_word(self.arg(0), i, chunk.rows);
  }
}

void test_null(Node& self, const Chunk& chunk) {
  const Node& arg = self.arg(0);
  take_failures(self, arg, [](int32_t) { return true; });
  const uint64_t flip = all_bits(self.number == 0);  // number 1: is not null
  uint64_t* out = self.bits(chunk.rows);
  for (int64_t i = 0; i < chunk.rows; i += 64) {
    out[i / 64] = validity_word(arg, i, chunk.rows) ^ flip;
  }
}

void any_of(Node& self, const Chunk& chunk) {
  for (const auto& arg : self.args) take_failures(self, *arg, [](int32_t) { return true; });
  KnownWriter writer(self, chunk.rows);
  for (int64_t i = 0; i < chunk.rows; i += 64) {
    Known whole = known(self.arg(1), i, chunk.rows);
    for (size_t k = 2; k < self.args.size(); ++k) {
      const Known part = known(self.arg(k), i, chunk.rows);
      whole = {whole.yes | part.yes, whole.no & part.no};
    }
    writer.put(i, whole);
  }
}

// out[i] = the value of the argument that pick(i) names, or null for none. The arguments have
// self's type.
constexpr size_t kNone = SIZE_MAX;

template <class T, class Pick>
void pick_fixed(Node& self, int64_t rows, Pick pick) {
  T* out = self.fixed<T>(rows);
  for (int64_t i = 0; i < rows; ++i) {
    const size_t which = pick(i);
    const Node* arg = which == kNone ? nullptr : &self.arg(which);
    if (arg == nullptr || arg->is_null(i)) {
      out[i] = 0;
      self.set_null(i);
    } else {
      out[i] = static_cast<const T*>(arg->out.values)[arg->constant ? 0 : i];
    }
  }
}

template <class Pick>
void pick_values(Node& self, int64_t rows, Pick pick) {
  switch (self.type) {
    case Type::kBool: {
      uint64_t* out = self.bits(rows);
      std::fill_n(out, (rows + 63) / 64, 0);
      for (int64_t i = 0; i < rows; ++i) {
        const size_t which = pick(i);
        if (which == kNone || self.arg(which).is_null(i)) {
          self.set_null(i);
        } else if (value_is(self.arg(which), i, true)) {
          out[i / 64] |= uint64_t{1} << (i % 64);
        }
      }
      return;
    }
    case Type::kInt:
    case Type::kTimestamp:
      return pick_fixed<int64_t>(self, rows, pick);
    case Type::kFloat:
      return pick_fixed<double>(self, rows, pick);
    case Type::kDate:
      return pick_fixed<int32_t>(self, rows, pick);
    case Type::kString:
    case Type::kBinary:
    case Type::kObject: {
      TextWriter writer(self, rows);
      for (int64_t i = 0; i < rows; ++i) {
        const size_t which = pick(i);
        if (which == kNone || self.arg(which).is_null(i)) {
          self.set_null(i);
          writer.end_row();
        } else {
          writer.put(self.arg(which).text_at(i));
        }
      }
      return;
    }
  }
}

// The branches of `if` for numbers, 64 rows at a time.
template <class T>
void choose_numbers(Node& self, int64_t rows) {
  T* out = self.fixed<T>(rows);
  const Node& a = self.arg(1);
  const Node& b = self.arg(2);
  auto has_nulls = [](const Node& node) { return node.out.validity != nullptr; };
  uint64_t* valid = has_nulls(a) || has_nulls(b) ? self.own_validity() : nullptr;
  with_values<T>(a, [&](auto x) {
    with_values<T>(b, [&](auto y) {
      for (int64_t i = 0; i < rows; i += 64) {
        const uint64_t yes = known(self.arg(0), i, rows).yes;
        const int64_t count = std::min<int64_t>(64, rows - i);
        for (int64_t j = 0; j < count; ++j) out[i + j] = (yes >> j) & 1 ? x[i + j] : y[i + j];
        if (valid == nullptr) continue;
        valid[i / 64] = (yes & validity_word(a, i, rows)) | (~yes & validity_word(b, i, rows));
      }
    });
  });
}

void choose_branch(Node& self, const Chunk& chunk) {
  const Node& condition = self.arg(0);
  auto branch = [&](int64_t row) { return value_is(condition, row, true) ? size_t{1} : size_t{2}; };
  take_failures(self, condition, [](int32_t) { return true; });
  take_failures(self, self.arg(1), [&](int32_t row) { return branch(row) == 1; });
  take_failures(self, self.arg(2), [&](int32_t row) { return branch(row) == 2; });
  switch (self.type) {
    case Type::kInt:
    case Type::kTimestamp:
      return choose_numbers<int64_t>(self, chunk.rows);
    case Type::kFloat:
      return choose_numbers<double>(self, chunk.rows);
    case Type::kDate:
      return choose_numbers<int32_t>(self, chunk.rows);
    default:
      return pick_values(self, chunk.rows, branch);
  }
}

void first_known(Node& self, const Chunk& chunk) {
  auto first = [&](int64_t row) {
    for (size_t k = 0; k < self.args.size(); ++k) {
      if (!self.arg(k).is_null(row)) return k;
    }
    return kNone;
  };
  for (size_t k = 0; k < self.args.size(); ++k) {
    take_failures(self, self.arg(k), [&](int32_t row) {
      const size_t used = first(row);
      return used == kNone || k <= used;
    });
  }
  pick_values(self, chunk.rows, first);
}

// nullif: args[1] says whether args[0] equals the other.
void null_where_equal(Node& self, const Chunk& chunk) {
  for (const auto& arg : self.args) take_failures(self, *arg, [](int32_t) { return true; });
  pick_values(self, chunk.rows,
              [&](int64_t row) { return value_is(self.arg(1), row, true) ? kNone : size_t{0}; });
}

NodePtr bind_if(Call& call) {
  call.want(0, Type::kBool);
  const Type type = call.want_same(1);
  if (call.args[0]->constant) {
    const bool yes = !call.args[0]->is_null_constant() && call.args[0]->out.bool_at(0);
    return std::move(call.args[yes ? 1 : 2]);
  }
  NodePtr node = call.make(type, choose_branch);
  node->strict = false;
  return node;
}

NodePtr bind_coalesce(Call& call) {
  const Type type = call.want_same(0);
  NodePtr node = call.make(type, first_known);
  node->strict = false;
  return node;
}

NodePtr bind_nullif(Call& call) {
  if (call.args[0]->untyped) call.want_same(0);
  const Type type = call.type(0);
  NodePtr shared = Typer::alias(*call.args[0]);
  shared->literal = call.args[0]->literal;
  call.args[1] =
      call.typer.compare(std::move(shared), std::move(call.args[1]), Comparison::kEqual, call.span);
  NodePtr node = call.make(type, null_where_equal);
  node->strict = false;
  return node;
}

constexpr Function kFunctions[] = {
    {"if", "if(condition, then, else)", 3, 3, bind_if},
    {"coalesce", "coalesce(a, b, …)", 1, kAnyNumber, bind_coalesce},
    {"nullif", "nullif(value, unwanted)", 2, 2, bind_nullif},
};

}  // namespace

Node::Kernel and_kernel() { return connect<false>; }
Node::Kernel or_kernel() { return connect<true>; }
Node::Kernel not_kernel() { return negate; }
Node::Kernel is_null_kernel() { return test_null; }
Node::Kernel any_of_kernel() { return any_of; }
std::span<const Function> logic_functions() { return kFunctions; }

}  // namespace towpath::expr
