#include "towpath/stage/schema_rules.h"

#include <algorithm>

#include "towpath/base/ascii.h"
#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/config/check.h"
#include "towpath/stage/settings.h"

namespace towpath {
namespace {

const Object* given(const Object& values, std::string_view field) {
  const Object* value = values.find(field);
  return value == nullptr || value->is_nil() ? nullptr : value;
}

// Each name once, of all inputs.
std::vector<std::string_view> names_of(const std::vector<Schema>& inputs) {
  std::vector<std::string_view> names;
  for (const Schema& input : inputs) {
    for (const Field& field : input) {
      if (std::find(names.begin(), names.end(), field.name) == names.end())
        names.push_back(field.name);
    }
  }
  return names;
}

std::string list(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) text += format("{}{}", text.empty() ? "" : ", ", name);
  return text.empty() ? "none" : text;
}

// Finds all that is wrong with one stage's fields.
class Checker {
 public:
  Checker(const StageSpec& spec, const Object& values, const std::vector<Schema>& inputs,
          const Bindings& bindings)
      : spec_(spec), values_(values), inputs_(inputs), bindings_(bindings) {}

  std::vector<FieldError> run() {
    for (const FieldSpec& field : spec_.fields()) {
      if (const Object* value = given(values_, field.name)) check(field, *value);
    }
    check_names();
    return std::move(errors_);
  }

 private:
  const Schema& columns() const {
    static const Schema kNone;
    return inputs_.empty() ? kNone : inputs_.front();
  }

  void check(const FieldSpec& field, const Object& value) {
    switch (field.kind) {
      case FieldKind::kColumn:
        if (!names_an_output(field.name))
          check_column(field, {.field = field.name, .entry = {}}, value.as_string());
        break;
      case FieldKind::kColumns:
      case FieldKind::kSortKeys:
        check_list(field, value.as_array());
        break;
      case FieldKind::kExpression:
        check_expression(field, value.as_string());
        break;
      case FieldKind::kAssignments:
      case FieldKind::kAggregates:
        check_entries(field, value.as_map());
        break;
      case FieldKind::kTypes:
        check_types(field, value.as_map());
        break;
      default:
        break;
    }
  }

  // The field holds the name of a new column, not of one that is there.
  bool names_an_output(std::string_view field) const {
    const auto& reads = spec_.read_fields();
    return std::find(reads.begin(), reads.end(), field) == reads.end() &&
           std::any_of(spec_.rules().begin(), spec_.rules().end(), [field](const OutputRule& rule) {
             return rule.kind == OutputRule::Kind::kColumn && rule.field == field;
           });
  }

  void check_column(const FieldSpec& field, FieldError::Place place, std::string_view name) {
    // A source has no input: its field names something else, e.g. a column of a table.
    if (inputs_.empty()) return;
    place.length = name.size();
    for (const Schema& input : inputs_) {
      const int found = find_field(input, name);
      if (found < 0) continue;
      return check_type(field, std::move(place), input[static_cast<size_t>(found)]);
    }
    const std::vector<std::string_view> names = names_of(inputs_);
    const std::string_view near = nearest(name, names.data(), names.data() + names.size());
    errors_.emplace_back(std::move(place),
                         format("there is no column \"{}\"; its input has {}", name, list(names)),
                         near.empty() ? std::string() : format("did you mean \"{}\"?", near));
  }

  void check_type(const FieldSpec& field, FieldError::Place place, const Field& column) {
    const std::vector<Type>& types = field.column_types;
    if (types.empty() || std::find(types.begin(), types.end(), column.type) != types.end()) return;
    std::string wanted;
    for (size_t i = 0; i < types.size(); ++i) {
      wanted += i == 0 ? "" : i + 1 == types.size() ? " or " : ", ";
      wanted += type_name(types[i]);
    }
    std::string hint;
    if (column.type == Type::kObject) {
      hint =
          format("take a value out of it before: map: {{ NAME: \"get({}, 'KEY')\" }}", column.name);
    } else if (column.type != Type::kBinary && types.front() != Type::kBinary) {
      hint = format("convert it before: map: {{ {0}: {1}({0}) }}", column.name,
                    type_name(types.front()));
    }
    errors_.emplace_back(std::move(place),
                         format("column \"{}\" is of type {}; {} takes {}", column.name,
                                type_name(column.type), field.name, wanted),
                         std::move(hint));
  }

  // Names that are one to the stage, whatever their case.
  void check_names() {
    if (!spec_.is_ignoring_case()) return;
    std::vector<std::string> seen;
    for (const Field& field : columns()) {
      std::string name = lower(field.name);
      if (const auto first = std::find(seen.begin(), seen.end(), name); first != seen.end()) {
        const Field& other = columns()[static_cast<size_t>(first - seen.begin())];
        errors_.emplace_back(
            FieldError::Place{},
            format("columns \"{}\" and \"{}\" differ in case only: here they are one name",
                   other.name, field.name),
            "rename one before, with select");
      }
      seen.push_back(std::move(name));
    }
  }

  void check_list(const FieldSpec& field, const Object::Array& items) {
    std::vector<std::string> seen;
    for (size_t i = 0; i < items.size(); ++i) {
      std::string name = items[i].as_string();
      if (field.kind == FieldKind::kSortKeys) name = parse_sort_key(name).column;
      const FieldError::Place place{
          .field = field.name, .entry = {}, .item = static_cast<int>(i), .length = name.size()};
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
        errors_.emplace_back(place, format("column \"{}\" stands here twice", name));
      } else {
        check_column(field, place, name);
      }
      seen.push_back(std::move(name));
    }
  }

  void add(FieldError::Place place, const ExpressionError& error) {
    place.offset = error.offset();
    place.length = error.length();
    errors_.emplace_back(std::move(place), error.what(), error.hint());
  }

  void check_expression(const FieldSpec& field, const std::string& text) {
    FieldError::Place place{.field = field.name, .entry = {}};
    try {
      const Type type = Expression::compile(text, columns(), bindings_).type();
      if (field.result.empty() || type_named(field.result) == type) return;
      place.length = text.size();
      errors_.emplace_back(place, format("this is {} {}, but must be {}",
                                         type == Type::kInt || type == Type::kObject ? "an" : "a",
                                         type_name(type), field.result));
    } catch (const ExpressionError& error) {
      add(place, error);
    }
  }

  void check_entries(const FieldSpec& field, const Object::Map& entries) {
    for (const auto& [key, value] : entries) {
      const FieldError::Place place{.field = field.name, .entry = key.as_string()};
      try {
        if (field.kind == FieldKind::kAssignments) {
          Expression::compile(value.as_string(), columns(), bindings_);
        } else {
          AggregateCall::parse(value.as_string(), columns(), bindings_);
          check_not_a_key(place);
        }
      } catch (const ExpressionError& error) {
        add(place, error);
      }
    }
  }

  // `group: { by: [day], day: count() }` would have two columns of one name.
  void check_not_a_key(FieldError::Place place) {
    for (const OutputRule& rule : spec_.rules()) {
      if (rule.kind != OutputRule::Kind::kColumnsOf) continue;
      const Object* columns = given(values_, rule.field);
      if (columns == nullptr) continue;
      for (const Object& column : columns->as_array()) {
        if (column.as_string() != place.entry) continue;
        place.key = true;
        place.length = place.entry.size();
        errors_.emplace_back(
            place, format("column \"{}\" stands in \"{}\" already", place.entry, rule.field),
            "choose another name");
        return;
      }
    }
  }

  void check_types(const FieldSpec& field, const Object::Map& entries) {
    for (const auto& [key, value] : entries) {
      const std::string& name = value.as_string();
      if (type_named(name)) continue;
      std::vector<std::string_view> names;
      for (Type type = Type::kBool; type <= Type::kObject;
           type = static_cast<Type>(static_cast<int>(type) + 1)) {
        names.push_back(type_name(type));
      }
      const std::string_view near = nearest(name, names.data(), names.data() + names.size());
      errors_.emplace_back(
          FieldError::Place{.field = field.name, .entry = key.as_string(), .length = name.size()},
          format("there is no type \"{}\"", name),
          near.empty() ? "bool, int, float, string, binary, date, timestamp or object"
                       : format("did you mean \"{}\"?", near));
    }
  }

  const StageSpec& spec_;
  const Object& values_;
  const std::vector<Schema>& inputs_;
  const Bindings& bindings_;
  std::vector<FieldError> errors_;
};

// Adds what one rule says. The fields have been checked.
void apply(const OutputRule& rule, const StageSpec& spec, const Object& values, const Schema& input,
           const Bindings& bindings, const std::function<Schema()>& detect, Schema& output) {
  const Object* value = rule.field.empty() ? nullptr : given(values, rule.field);
  switch (rule.kind) {
    case OutputRule::Kind::kInput:
      for (const Field& field : input) set_field(output, field.name, field.type);
      break;
    case OutputRule::Kind::kColumn:
      if (rule.field.empty()) {
        set_field(output, rule.name, rule.type);
      } else if (value != nullptr) {  // an optional column that was not asked for is left out
        set_field(output, value->as_string(), rule.type);
      }
      break;
    case OutputRule::Kind::kColumnsOf:
      if (value == nullptr) break;
      for (const Object& name : value->as_array()) {
        const int found = find_field(input, name.as_string());
        if (found >= 0) set_field(output, name.as_string(), input[static_cast<size_t>(found)].type);
      }
      break;
    case OutputRule::Kind::kAssignments: {
      if (value == nullptr) break;
      const FieldSpec* field = spec.find_field(rule.field);
      const bool aggregates = field != nullptr && field->kind == FieldKind::kAggregates;
      for (const auto& [name, text] : value->as_map()) {
        const std::string& expression = text.as_string();
        set_field(output, name.as_string(),
                  aggregates ? AggregateCall::parse(expression, input, bindings).type
                             : Expression::compile(expression, input, bindings).type());
      }
      break;
    }
    case OutputRule::Kind::kTypesOf:
      if (value == nullptr) break;
      for (const auto& [name, type] : value->as_map()) {
        set_field(output, name.as_string(), type_named(type.as_string()).value_or(Type::kString));
      }
      break;
    case OutputRule::Kind::kWithout:
      if (value == nullptr) break;
      for (const Object& name : value->as_array()) {
        std::erase_if(output,
                      [&name](const Field& field) { return field.name == name.as_string(); });
      }
      break;
    case OutputRule::Kind::kDetected:
      if (!detect) break;
      for (const Field& field : detect()) set_field(output, field.name, field.type);
      break;
  }
}

}  // namespace

std::vector<FieldError> check_columns(const StageSpec& spec, const Object& values,
                                      const std::vector<Schema>& inputs, const Bindings& bindings) {
  return Checker(spec, values, inputs, bindings).run();
}

Schema derive_output(const StageSpec& spec, const Object& values, const std::vector<Schema>& inputs,
                     const Bindings& bindings, const std::function<Schema()>& detect) {
  const std::vector<FieldError> errors = check_columns(spec, values, inputs, bindings);
  if (!errors.empty()) throw errors.front();
  Schema output;
  const Schema none;
  const Schema& input = inputs.empty() ? none : inputs.front();
  for (const OutputRule& rule : spec.rules()) {
    apply(rule, spec, values, input, bindings, detect, output);
  }
  return output;
}

Problem problem_of(const FieldError& error, const StageSpec& spec, const Node& value,
                   std::string_view what) {
  const FieldError::Place& place = error.place();
  const Node* node = find_field_node(value, spec.fields(), spec.main_field(), place.field);
  if (node != nullptr && !place.entry.empty()) {
    const Node* entry = place.key ? node->find_key(place.entry) : node->find(place.entry);
    node = entry != nullptr ? entry : node;
  }
  if (node != nullptr && node->kind == Node::Kind::kList && place.item >= 0 &&
      static_cast<size_t>(place.item) < node->items.size()) {
    node = &node->items[static_cast<size_t>(place.item)];
  }
  if (node == nullptr) node = &value;
  Problem problem{node->mark, std::max(1, node->length), format("{}: {}", what, error.what()),
                  error.hint()};
  // Only where the text stands in the source as it is: not in a block scalar, nor with ${names}
  // replaced.
  const int quote = node->quoted ? 1 : 0;
  const bool as_written = node->kind == Node::Kind::kScalar &&
                          node->length == static_cast<int>(node->text.size()) + 2 * quote;
  if (as_written && place.offset + place.length <= node->text.size()) {
    problem.mark.column += quote + static_cast<int>(place.offset);
    problem.length = std::max(1, static_cast<int>(place.length));
  }
  return problem;
}

}  // namespace towpath
