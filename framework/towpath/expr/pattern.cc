#include <re2/re2.h>

#include <memory>
#include <string_view>

#include "towpath/base/format.h"
#include "towpath/expr/functions.h"
#include "towpath/expr/kernels.h"

// matches, extract: RE2's syntax, found anywhere in the text unless anchored with ^ and $. The
// pattern is a constant, compiled once.

namespace towpath::expr {
namespace {

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

const RE2& pattern_of(const Node& node) { return *static_cast<const RE2*>(node.state.get()); }

std::shared_ptr<const RE2> compiled(Call& call) {
  const std::string_view pattern = call.constant_text(1, "pattern");
  RE2::Options options;
  options.set_log_errors(false);
  auto regex = std::make_shared<RE2>(piece(pattern), options);
  if (!regex->ok()) {
    fail_at(call.args[1]->span,
            format("'{}' is not a regular expression: {}", pattern, regex->error()),
            "the syntax is RE2's");
  }
  return regex;
}

void match(Node& self, const Chunk& chunk) {
  const RE2& regex = pattern_of(self);
  const auto texts = many<std::string_view>(self.arg(0));
  fill_bits(self, chunk.rows, [&](int64_t i) {
    const std::string_view text = texts[i];
    return regex.Match(piece(text), 0, text.size(), RE2::UNANCHORED, nullptr, 0);
  });
}

// Group Node::number of the first match; null when there is no match, or the group took no part.
void extract(Node& self, const Chunk& chunk) {
  const RE2& regex = pattern_of(self);
  const auto group = static_cast<size_t>(self.number);
  std::vector<re2::StringPiece> groups(group + 1);
  const auto texts = many<std::string_view>(self.arg(0));
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    const std::string_view text = texts[i];
    const bool found = regex.Match(piece(text), 0, text.size(), RE2::UNANCHORED, groups.data(),
                                   static_cast<int>(groups.size()));
    if (found && groups[group].data() != nullptr) {
      out.put({groups[group].data(), groups[group].size()});
    } else {
      self.set_null(i);
      out.end_row();
    }
  });
}

NodePtr bind_matches(Call& call) {
  call.want(0, Type::kString);
  auto regex = compiled(call);
  NodePtr node = call.make(Type::kBool, match);
  node->state = std::move(regex);
  return node;
}

NodePtr bind_extract(Call& call) {
  call.want(0, Type::kString);
  auto regex = compiled(call);
  const int groups = regex->NumberOfCapturingGroups();
  int64_t group = groups > 0 ? 1 : 0;
  if (call.size() > 2) {
    call.want(2, Type::kInt);
    if (!call.args[2]->constant || call.args[2]->is_null_constant()) {
      fail_at(call.args[2]->span, "extract: the group must be a constant number");
    }
    group = call.args[2]->out.int_at(0);
    if (group < 0 || group > groups) {
      fail_at(call.args[2]->span,
              format("extract: the pattern has {} group{}", groups, groups == 1 ? "" : "s"),
              "group 0 is the whole match");
    }
  }
  NodePtr node = call.make(Type::kString, extract);
  node->state = std::move(regex);
  node->number = group;
  return node;
}

constexpr Function kFunctions[] = {
    {"matches", "matches(text, 'pattern')", 2, 2, bind_matches},
    {"extract", "extract(text, 'pattern'[, group])", 2, 3, bind_extract},
};

}  // namespace

std::span<const Function> pattern_functions() { return kFunctions; }

}  // namespace towpath::expr
