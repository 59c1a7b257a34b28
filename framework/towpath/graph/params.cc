#include "towpath/base/format.h"
#include "towpath/config/check.h"
#include "towpath/graph/graph.h"
#include "towpath/graph/names.h"
#include "towpath/message/json.h"

namespace towpath {
namespace {

bool is_name(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  return !text.empty() && kLetters.find(text[0]) != text.npos &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == text.npos;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A param as ${name} puts it into text.
std::string text_of(const Object& value) {
  if (value.is_nil()) return "";
  return value.is_string() ? value.as_string() : to_json(value);
}

class ParamReader {
 public:
  ParamReader(Document& document, const PlanOptions& options)
      : document_(document), options_(options), here_(folder_of(document.path())) {}

  std::vector<std::pair<std::string, Object>> read() {
    Node* params = entry(document_.root(), "params");
    if (params != nullptr && params->kind == Node::Kind::kMap) {
      for (auto& [key, value] : params->entries) read_one(key, value);
    } else if (params != nullptr && params->kind != Node::Kind::kNull) {
      document_.add(*params, "params is not a map", "write params: { name: default }");
    }
    for (const auto& [name, text] : options_.set) {
      if (find(name) == nullptr) {
        report_option(name, text, format("the pipeline has no param \"{}\"", name),
                      suggest_name(name, names(), "it has no params"));
      }
    }
    for (auto& [key, value] : document_.root().entries) {
      if (key.text != "params") replace(value);
    }
    return std::move(params_);
  }

 private:
  static Node* entry(Node& map, std::string_view key) {
    for (auto& [name, value] : map.entries) {
      if (name.text == key) return &value;
    }
    return nullptr;
  }
  const Object* find(std::string_view name) const {
    for (const auto& [known, value] : params_) {
      if (known == name) return &value;
    }
    return nullptr;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, value] : params_) all.push_back(name);
    return all;
  }
  void report_option(std::string_view name, std::string_view text, const std::string& message,
                     std::string hint) {
    document_.add({{}, 1, format("--set {}={}: {}", name, text, message), std::move(hint)});
  }

  void replace(Node& node) {
    const std::vector<std::string> known = names();
    substitute(
        document_, node,
        [this](std::string_view name) -> std::optional<std::string> {
          if (name == "here") return here_;
          if (name.starts_with("env.")) {
            return options_.env ? options_.env(name.substr(4)) : std::nullopt;
          }
          const Object* value = find(name);
          return value == nullptr ? std::nullopt : std::optional(text_of(*value));
        },
        std::vector<std::string_view>(known.begin(), known.end()));
  }

  void read_one(const Node& key, Node& value) {
    const std::string& name = key.text;
    if (!is_name(name) || name == "here" || name == "env") {
      document_.add(key, format("\"{}\" can't be the name of a param", name),
                    "use letters, digits and _; here and env are taken");
      return;
    }
    if (value.kind == Node::Kind::kList || value.kind == Node::Kind::kMap) {
      document_.add(value, format("param \"{}\" is not a single value", name),
                    "a param is a text, a number, true or false");
      params_.emplace_back(name, Object());
      return;
    }
    const std::string* given = nullptr;
    for (const auto& [set, text] : options_.set) {
      if (set == name) given = &text;  // the last one counts
    }
    if (value.kind == Node::Kind::kNull && given == nullptr) {
      document_.add(key, format("param \"{}\" has no value", name),
                    format("give one with --set {}=VALUE", name));
      params_.emplace_back(name, Object());
      return;
    }
    Object fallback;
    if (value.kind != Node::Kind::kNull) {
      // The environment that a default names need not be there when the param is set.
      Node copy = value;
      if (given == nullptr) replace(copy);
      fallback = infer(document_, copy, format("param \"{}\"", name));
    }
    params_.emplace_back(name, given == nullptr ? fallback : typed(name, *given, fallback));
  }

  // A --set value has the type of the default; with no default, the type that its text looks like.
  Object typed(const std::string& name, const std::string& text, const Object& fallback) {
    Node node;
    node.kind = Node::Kind::kScalar;
    node.text = text;
    node.substituted = true;  // 010 is a text here, not a problem
    node.quoted = fallback.is_string();
    const Object value = infer(document_, node, name);
    if (fallback.is_nil() || value.kind() == fallback.kind()) return value;
    if (fallback.is_float() && value.is_int()) return value.as_float();
    report_option(name, text, format("the param is of type {}", fallback.kind()),
                  format("its default is {}", text_of(fallback)));
    return fallback;
  }

  Document& document_;
  const PlanOptions& options_;
  const std::string here_;
  std::vector<std::pair<std::string, Object>> params_;
};

}  // namespace

std::vector<std::pair<std::string, Object>> read_params(Document& document,
                                                        const PlanOptions& options) {
  return ParamReader(document, options).read();
}

}  // namespace towpath
