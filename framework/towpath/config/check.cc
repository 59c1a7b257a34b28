#include "towpath/config/check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "towpath/base/ascii.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/config/number.h"
#include "towpath/message/type.h"

namespace towpath {
namespace {

bool takes_map(FieldKind kind) {
  return kind == FieldKind::kAssignments || kind == FieldKind::kAggregates ||
         kind == FieldKind::kTypes || kind == FieldKind::kAny;
}
bool takes_list(FieldKind kind) {
  return kind == FieldKind::kColumns || kind == FieldKind::kStrings ||
         kind == FieldKind::kSortKeys || kind == FieldKind::kAny;
}

// "an integer", as a message says what a field wants.
std::string_view wanted(FieldKind kind) {
  switch (kind) {
    case FieldKind::kInt:
      return "an integer";
    case FieldKind::kFloat:
      return "a number";
    case FieldKind::kBool:
      return "true or false";
    case FieldKind::kBytes:
      return "a size such as 64MiB";
    case FieldKind::kDuration:
      return "a duration such as 60s";
    case FieldKind::kPath:
      return "a path";
    case FieldKind::kColumn:
      return "the name of a column";
    case FieldKind::kColumns:
      return "a list of columns";
    case FieldKind::kExpression:
      return "an expression";
    case FieldKind::kAssignments:
      return "a map of column: expression";
    case FieldKind::kAggregates:
      return "a map of column: aggregate";
    case FieldKind::kSortKeys:
      return "a list of columns to sort by";
    case FieldKind::kTypes:
      return "a map of column: type";
    case FieldKind::kStrings:
      return "a list of texts";
    case FieldKind::kString:
    case FieldKind::kChoice:
    case FieldKind::kAny:
      break;
  }
  return "a text";
}

std::string shown(const Node& value) {
  switch (value.kind) {
    case Node::Kind::kNull:
      return "empty";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
    case Node::Kind::kScalar:
      break;
  }
  const std::string text = value.text.size() > 60 ? value.text.substr(0, 57) + "..." : value.text;
  return value.quoted ? format("\"{}\"", text) : text;
}

std::string names_of(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::string suggest(std::string_view word, const std::vector<std::string>& names) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string_view near = nearest(word, known.data(), known.data() + known.size());
  if (!near.empty()) return format("did you mean \"{}\"?", near);
  return names.empty() ? std::string() : format("known: {}", names_of(names));
}

// One field's value, checked by its kind. `name` is how messages call it: `stage "split":
// max_lines`.
class FieldCheck {
 public:
  FieldCheck(Document& document, const FieldSpec& field, std::string name)
      : document_(document), field_(field), name_(std::move(name)) {}

  // Nil after a problem, and for a value in which a ${name} has none, which is one already.
  Object check(const Node& value) {
    if (value.any_unresolved()) return {};
    if (field_.kind == FieldKind::kAny) return infer(document_, value, name_);
    if (takes_map(field_.kind)) return map(value);
    if (takes_list(field_.kind)) return list(value);
    if (value.kind != Node::Kind::kScalar) return wrong_kind(value);
    switch (field_.kind) {
      case FieldKind::kInt:
        return integer(value);
      case FieldKind::kFloat:
        return real(value);
      case FieldKind::kBool:
        return boolean(value);
      case FieldKind::kBytes:
      case FieldKind::kDuration:
        return quantity(value);
      case FieldKind::kChoice:
        return choice(value);
      case FieldKind::kExpression:
        return expression(value, name_);
      case FieldKind::kPath:
      case FieldKind::kColumn:
        if (value.text.empty()) return problem(value, format("{} is empty", name_), empty_hint());
        return value.text;
      default:
        if (value.text.empty() && field_.filled) {
          return problem(value, format("{} is empty", name_), empty_hint());
        }
        return value.text;
    }
  }

  // One entry of a map of columns; put into `into` when it is right.
  void map_entry(const Node& key, const Node& entry, Object::Map& into) {
    const std::string name = format("{}: {}", name_, key.text);
    if (entry.any_unresolved()) return;
    if (key.text.empty()) {
      problem(key, format("{}: a column's name is empty", name_));
    } else if (field_.kind == FieldKind::kAny) {
      into.emplace_back(key.text, infer(document_, entry, name));
    } else if (entry.kind != Node::Kind::kScalar) {
      const std::string_view want = field_.kind == FieldKind::kTypes        ? "a type"
                                    : field_.kind == FieldKind::kAggregates ? "an aggregate"
                                                                            : "an expression";
      problem(entry, format("{} is {}; it takes {}", name, shown(entry), want));
    } else if (field_.kind == FieldKind::kTypes) {
      if (type_named(entry.text)) {
        into.emplace_back(key.text, entry.text);
      } else {
        std::vector<std::string> types;
        for (int type = 0; type <= static_cast<int>(Type::kObject); ++type) {
          types.emplace_back(type_name(static_cast<Type>(type)));
        }
        problem(entry, format("{}: no type \"{}\"", name, entry.text), suggest(entry.text, types));
      }
    } else if (Object text = expression(entry, name); text.is_string()) {
      into.emplace_back(key.text, std::move(text));
    }
  }

 private:
  bool must_be_filled() const { return field_.required || field_.filled; }
  std::string fill_hint() const {
    return format("write {}{}", wanted(field_.kind), field_.required ? "" : ", or remove it");
  }
  std::string empty_hint() const {
    return hint().empty() ? format("write {}", wanted(field_.kind)) : hint();
  }
  Object problem(const Node& at, std::string message, std::string hint_text = "") {
    document_.add(at, std::move(message), std::move(hint_text));
    return {};
  }
  Object wrong_kind(const Node& value) {
    return problem(value, format("{} is {}; it takes {}", name_, shown(value), wanted(field_.kind)),
                   hint());
  }
  std::string hint() const {
    return field_.fallback && !field_.fallback->empty()
               ? format("remove it to use {}", *field_.fallback)
               : std::string();
  }

  std::string show_bound(double bound) const {
    if (field_.kind == FieldKind::kBytes) return show_bytes(static_cast<uint64_t>(bound));
    if (field_.kind == FieldKind::kDuration)
      return show_duration(Millis{static_cast<int64_t>(bound)});
    if (bound == std::floor(bound) && std::abs(bound) < 1e17) {
      return format("{}", static_cast<int64_t>(bound));
    }
    return format("{}", bound);
  }
  // False after a problem.
  bool in_range(const Node& value, double number) {
    const bool low = field_.min && number < *field_.min, high = field_.max && number > *field_.max;
    if (!low && !high) return true;
    const std::string unit = field_.unit.empty() ? "" : " " + field_.unit;
    std::string allowed;
    if (field_.min && field_.max) {
      allowed =
          format("allowed {} to {}{}", show_bound(*field_.min), show_bound(*field_.max), unit);
    } else if (field_.min) {
      allowed = format("allowed {}{} or more", show_bound(*field_.min), unit);
    } else {
      allowed = format("allowed {}{} or less", show_bound(*field_.max), unit);
    }
    problem(value, format("{} is {}; {}", name_, shown(value), allowed), hint());
    return false;
  }

  // A number of the right form, or a problem.
  std::optional<Number> number(const Node& value) {
    const Number number = read_number(value.text);
    std::string why;
    if (value.quoted && number.kind != Number::Kind::kNone) {
      why = "remove the quotes";
    } else if (number.kind == Number::Kind::kAmbiguous) {
      why = number.hint;
    } else if (number.kind == Number::Kind::kTooLarge) {
      problem(value, format("{} is {}, which is too large", name_, shown(value)), hint());
      return {};
    } else if (number.kind == Number::Kind::kFloat && field_.kind == FieldKind::kInt) {
      if (number.real == std::floor(number.real) && std::abs(number.real) < 1e15) {
        why = format("write {}", static_cast<int64_t>(number.real));
      }
    } else if (number.kind != Number::Kind::kNone && !value.quoted) {
      return number;
    }
    problem(value, format("{} is {}; it takes {}", name_, shown(value), wanted(field_.kind)),
            why.empty() ? hint() : why);
    return {};
  }

  Object integer(const Node& value) {
    const std::optional<Number> found = number(value);
    if (!found || !in_range(value, found->real)) return {};
    return found->integer;
  }
  Object real(const Node& value) {
    const std::optional<Number> found = number(value);
    if (!found || !in_range(value, found->real)) return {};
    return found->real;
  }
  Object boolean(const Node& value) {
    if (!value.quoted && value.text == "true") return true;
    if (!value.quoted && value.text == "false") return false;
    const std::string word = lower(value.text);
    std::string why = hint();
    if (word == "yes" || word == "on" || word == "true" || word == "1") why = "write true";
    if (word == "no" || word == "off" || word == "false" || word == "0") why = "write false";
    return problem(value, format("{} is {}; it takes true or false", name_, shown(value)), why);
  }
  Object quantity(const Node& value) {
    try {
      const int64_t number = field_.kind == FieldKind::kBytes
                                 ? static_cast<int64_t>(parse_bytes(value.text))
                                 : parse_duration(value.text).count();
      if (!in_range(value, static_cast<double>(number))) return {};
      return number;
    } catch (const Invalid& error) {
      return problem(value, format("{}: {}", name_, error.what()), hint());
    }
  }
  Object choice(const Node& value) {
    const auto& choices = field_.choices;
    if (std::find(choices.begin(), choices.end(), value.text) != choices.end()) return value.text;
    return problem(value, format("{} is {}; allowed: {}", name_, shown(value), names_of(choices)),
                   suggest_near(value.text, choices));
  }
  static std::string suggest_near(std::string_view word, const std::vector<std::string>& names) {
    const std::string hint_text = suggest(word, names);
    return hint_text.starts_with("did") ? hint_text : std::string();
  }
  Object expression(const Node& value, const std::string& name) {
    if (value.substituted) {
      return problem(value, format("{}: ${{...}} would paste text into an expression", name),
                     "write $name, which stands for the param's value");
    }
    if (value.text.empty()) return problem(value, format("{} is empty", name), empty_hint());
    return value.text;
  }

  Object list(const Node& value) {
    if (value.kind == Node::Kind::kNull || value.kind == Node::Kind::kMap) return wrong_kind(value);
    Object::Array values;
    std::vector<std::string> seen;
    auto take = [&](const Node& item) {
      if (item.kind != Node::Kind::kScalar) {
        problem(item, format("{}: {} in the list; it takes texts", name_, shown(item)));
        return;
      }
      if (field_.kind != FieldKind::kStrings) {
        if (item.text.empty()) {
          problem(item, format("{}: a name is empty", name_));
          return;
        }
        if (std::find(seen.begin(), seen.end(), item.text) != seen.end()) {
          problem(item, format("{}: \"{}\" is listed twice", name_, item.text), "remove one");
          return;
        }
        seen.push_back(item.text);
      }
      values.emplace_back(item.text);
    };
    if (value.kind == Node::Kind::kScalar) {
      take(value);
    } else {
      for (const Node& item : value.items) take(item);
      if (value.items.empty() && must_be_filled()) {
        problem(value, format("{} is an empty list", name_), fill_hint());
      }
    }
    return values;
  }

  Object map(const Node& value) {
    if (value.kind != Node::Kind::kMap) return wrong_kind(value);
    Object::Map values;
    for (const auto& [key, entry] : value.entries) map_entry(key, entry, values);
    if (value.entries.empty() && must_be_filled()) {
      problem(value, format("{} is an empty map", name_), fill_hint());
    }
    return values;
  }

  Document& document_;
  const FieldSpec& field_;
  std::string name_;
};

// The default as a node: as it would be read from YAML. Only lists, maps and quotes need the
// parser; plain text is taken as it stands, so that a default may be "," or "".
Node fallback_node(const FieldSpec& field) {
  const std::string& text = *field.fallback;
  if (!text.empty() && std::string_view("[{'\"").find(text[0]) != std::string_view::npos) {
    const Document parsed = Document::parse("default of " + field.name, text);
    if (!parsed.ok()) throw Bug(parsed.show_problems());
    return parsed.root();
  }
  Node node;
  node.kind = Node::Kind::kScalar;
  node.text = text;
  node.length = 1;
  return node;
}

Object fallback_value(const FieldSpec& field) {
  Document scratch;
  Object value = FieldCheck(scratch, field, "default of " + field.name).check(fallback_node(field));
  if (!scratch.ok()) throw Bug(scratch.problems().front().message);
  return value;
}

const FieldSpec* find_spec(const std::vector<FieldSpec>& fields, std::string_view name) {
  for (const FieldSpec& field : fields) {
    if (field.name == name && !field.rest) return &field;
  }
  return nullptr;
}
const FieldSpec* rest_spec(const std::vector<FieldSpec>& fields) {
  for (const FieldSpec& field : fields) {
    if (field.rest) return &field;
  }
  return nullptr;
}

// The field that `value` sets as a whole, or null when its keys name fields.
const FieldSpec* whole_spec(const Node& value, const std::vector<FieldSpec>& fields,
                            std::string_view main_field) {
  const FieldSpec* main = nullptr;
  for (const FieldSpec& field : fields) {
    if (field.name == main_field) main = &field;
  }
  if (main == nullptr) return nullptr;
  if (value.kind == Node::Kind::kScalar) return main;
  if (value.kind == Node::Kind::kList) return main;
  if (value.kind != Node::Kind::kMap || !takes_map(main->kind) || main->rest) return nullptr;
  const bool knows_one = std::any_of(
      value.entries.begin(), value.entries.end(),
      [&](const auto& entry) { return find_spec(fields, entry.first.text) != nullptr; });
  return knows_one ? nullptr : main;
}

}  // namespace

Object infer(Document& document, const Node& value, std::string_view what) {
  switch (value.kind) {
    case Node::Kind::kNull:
      return {};
    case Node::Kind::kList: {
      Object::Array items;
      for (const Node& item : value.items) items.push_back(infer(document, item, what));
      return items;
    }
    case Node::Kind::kMap: {
      Object::Map entries;
      for (const auto& [key, entry] : value.entries) {
        entries.emplace_back(key.text, infer(document, entry, format("{}: {}", what, key.text)));
      }
      return entries;
    }
    case Node::Kind::kScalar:
      break;
  }
  if (value.quoted) return value.text;
  if (value.text == "true") return true;
  if (value.text == "false") return false;
  const Number number = read_number(value.text);
  if (number.kind == Number::Kind::kInt) return number.integer;
  if (number.kind == Number::Kind::kFloat) return number.real;
  if (number.kind == Number::Kind::kNone || value.substituted) return value.text;
  document.add(value,
               number.kind == Number::Kind::kTooLarge
                   ? format("{} is {}, which is too large for a number", what, value.text)
                   : format("{} is {}, which is not a decimal number", what, value.text),
               number.kind == Number::Kind::kTooLarge ? "quote it to make it text" : number.hint);
  return {};
}

Object check_fields(Document& document, const Node& value, const std::vector<FieldSpec>& fields,
                    std::string_view main_field, std::string_view what) {
  const FieldSpec* const rest = rest_spec(fields);
  const FieldSpec* const whole = whole_spec(value, fields, main_field);
  auto named = [&](const FieldSpec& field) { return format("{}: {}", what, field.name); };
  std::vector<std::string> names;
  for (const FieldSpec& field : fields) {
    if (!field.rest) names.push_back(field.name);
  }

  if (whole == nullptr && (value.kind == Node::Kind::kScalar || value.kind == Node::Kind::kList)) {
    document.add(value,
                 format("{} takes options by name, not {}", what,
                        value.kind == Node::Kind::kList ? "a list" : "a single value"),
                 names.empty() ? "remove the value" : format("known: {}", names_of(names)));
    return Object::Map{};
  }
  Object::Map rest_values;
  bool rest_given = false;
  if (whole == nullptr) {
    for (const auto& [key, entry] : value.entries) {
      if (find_spec(fields, key.text) != nullptr) continue;
      if (rest != nullptr) {
        rest_given = true;
        FieldCheck(document, *rest, std::string(what)).map_entry(key, entry, rest_values);
      } else {
        document.add(key, format("{} has no option \"{}\"", what, key.text),
                     suggest(key.text, names));
      }
    }
  }

  Object::Map result;
  for (const FieldSpec& field : fields) {
    const Node* node = find_field_node(value, fields, main_field, field.name);
    if (&field == rest && whole != &field) {
      if (rest_given) {
        result.emplace_back(field.name, std::exchange(rest_values, {}));
        continue;
      }
      node = nullptr;
    }
    if (node != nullptr) {
      const Node* key = value.kind == Node::Kind::kMap ? value.find_key(field.name) : nullptr;
      if (node->kind == Node::Kind::kNull && field.kind != FieldKind::kAny) {
        document.add(
            key != nullptr ? *key : *node, format("{} has no value", named(field)),
            field.required ? format("it takes {}", wanted(field.kind)) : "give one, or remove it");
        continue;
      }
      Object checked = FieldCheck(document, field, named(field)).check(*node);
      if (!checked.is_nil()) result.emplace_back(field.name, std::move(checked));
    } else if (field.fallback) {
      if (Object given = fallback_value(field); !given.is_nil()) {
        result.emplace_back(field.name, std::move(given));
      }
    } else if (field.required) {
      std::string hint = field.rest ? format("add one: name: {}", wanted(field.kind))
                                    : format("add {}: {}", field.name, wanted(field.kind));
      document.add(value,
                   format("{} needs {}", what, field.rest ? "at least one column" : field.name),
                   std::move(hint));
    }
  }
  return result;
}

const Node* find_field_node(const Node& value, const std::vector<FieldSpec>& fields,
                            std::string_view main_field, std::string_view field) {
  if (const FieldSpec* whole = whole_spec(value, fields, main_field)) {
    return whole->name == field ? &value : nullptr;
  }
  if (const FieldSpec* rest = rest_spec(fields); rest != nullptr && rest->name == field) {
    return value.kind == Node::Kind::kMap ? &value : nullptr;
  }
  return value.kind == Node::Kind::kMap ? value.find(field) : nullptr;
}

}  // namespace towpath
