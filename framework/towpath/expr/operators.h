#pragma once
#include <optional>
#include <vector>

#include "towpath/expr/ast.h"
#include "towpath/expr/typer.h"

// The kernels behind operators, chosen by type.

namespace towpath::expr {

// Arguments of one type, int or float; kDivide is of floats only.
Node::Kernel arithmetic_kernel(Operator operation, Type type);
Node::Kernel negate_kernel(Type type);

// A right argument may be constant, a left one only if both are. Types: the same; string and
// binary; int and float, compared exactly. None: there is no such comparison.
Node::Kernel compare_kernel(Comparison comparison, Type left, Type right);
Comparison swapped(Comparison comparison);  // a < b is b > a

// Three-valued, of bools; not strict but `not_kernel`.
Node::Kernel and_kernel();
Node::Kernel or_kernel();
Node::Kernel not_kernel();
// Of any type; not strict. Node::number 1: is not null.
Node::Kernel is_null_kernel();

// `x in (…)` of constants of x's type (or int and float mixed): a strict node with a set; null
// constants make what is not found null. None: such a type has no set.
NodePtr member_of_set(NodePtr x, const std::vector<NodePtr>& items, Span span);
// `x in (…)` of anything: args[0] is x, the others comparisons with it. Not strict.
Node::Kernel any_of_kernel();

// Conversions, each a strict kernel, or null when there is none. Casting to the same type is not a
// node.
Node::Kernel cast_kernel(Type from, Type to);

}  // namespace towpath::expr
