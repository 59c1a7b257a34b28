#include <string>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/config/check.h"

namespace towpath {
namespace {

using Lookup = std::function<std::optional<std::string>(std::string_view)>;

void unknown_name(Document& document, const Node& node, size_t offset, size_t length,
                  std::string_view name, const std::vector<std::string_view>& known) {
  if (name.starts_with("env.")) {
    document.add_within(node, offset, length,
                        format("environment variable {} is not set", name.substr(4)),
                        format("set it, or write ${{{}:-default}}", name));
    return;
  }
  const std::string_view near = nearest(name, known.data(), known.data() + known.size());
  document.add_within(
      node, offset, length, format("no param \"{}\"", name),
      near.empty() ? std::string("declare it under params") : format("did you mean \"{}\"?", near));
}

void substitute_scalar(Document& document, Node& node, const Lookup& lookup,
                       const std::vector<std::string_view>& known) {
  const std::string text = node.text;
  if (text.find('$') == text.npos) return;
  std::string result;
  bool changed = false, whole = false, unresolved = false;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '$' || at + 1 >= text.size() || (text[at + 1] != '$' && text[at + 1] != '{')) {
      result += text[at++];
      continue;
    }
    changed = true;
    if (text[at + 1] == '$') {
      result += '$';
      at += 2;
      continue;
    }
    const size_t end = text.find('}', at);
    if (end == text.npos) {
      document.add_within(node, at, text.size() - at, "this ${ is never closed",
                          "close it with }; $$ stands for a dollar sign");
      node.unresolved = true;
      return;
    }
    const size_t length = end + 1 - at;
    const std::string_view inner = std::string_view(text).substr(at + 2, length - 3);
    const size_t dash = inner.find(":-");
    const std::string_view name = inner.substr(0, dash);
    if (std::optional<std::string> value = lookup(name);
        value && !(dash != inner.npos && value->empty())) {
      result += *value;
    } else if (dash != inner.npos) {
      result += inner.substr(dash + 2);
    } else {
      unknown_name(document, node, at, length, name, known);
      unresolved = true;
    }
    whole = length == text.size();
    at = end + 1;
  }
  if (!changed) return;
  node.text = std::move(result);
  node.substituted = true;
  node.unresolved = unresolved;
  if (whole) node.quoted = false;
}

}  // namespace

void substitute(Document& document, Node& node, const Lookup& lookup,
                const std::vector<std::string_view>& known) {
  if (node.kind == Node::Kind::kScalar) substitute_scalar(document, node, lookup, known);
  for (Node& item : node.items) substitute(document, item, lookup, known);
  for (auto& [key, value] : node.entries) substitute(document, value, lookup, known);
}

}  // namespace towpath
