#include "towpath/stage/settings.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

bool cut_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix) || text.size() == suffix.size()) return false;
  text.remove_suffix(suffix.size());
  while (text.ends_with(' ')) text.remove_suffix(1);
  return true;
}

}  // namespace

SortKey parse_sort_key(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  const bool descending = cut_suffix(text, " desc");
  if (!descending) cut_suffix(text, " asc");
  return {std::string(text), descending};
}

const Object* Settings::find(std::string_view field) const {
  const Object* value = values_.find(field);
  return value == nullptr || value->is_nil() ? nullptr : value;
}

bool Settings::has(std::string_view field) const { return find(field) != nullptr; }

const Object& Settings::get(std::string_view field) const {
  const Object* value = find(field);
  if (value == nullptr) {
    throw Bug(
        format("stage \"{}\" asks for field \"{}\", which its spec does not have or nobody gave",
               context_.stage, field));
  }
  return *value;
}

std::string Settings::get_string(std::string_view field) const { return get(field).as_string(); }
int64_t Settings::get_int(std::string_view field) const { return get(field).as_int(); }
double Settings::get_float(std::string_view field) const { return get(field).as_float(); }
bool Settings::get_bool(std::string_view field) const { return get(field).as_bool(); }

std::vector<std::string> Settings::get_strings(std::string_view field) const {
  std::vector<std::string> strings;
  for (const Object& each : get(field).as_array()) strings.push_back(each.as_string());
  return strings;
}

std::vector<SortKey> Settings::get_sort_keys(std::string_view field) const {
  std::vector<SortKey> keys;
  for (const Object& each : get(field).as_array()) keys.push_back(parse_sort_key(each.as_string()));
  return keys;
}

std::vector<std::pair<std::string, std::string>> Settings::get_map(std::string_view field) const {
  std::vector<std::pair<std::string, std::string>> map;
  for (const auto& [key, value] : get(field).as_map()) {
    map.emplace_back(key.as_string(), value.as_string());
  }
  return map;
}

Expression Settings::expression(std::string_view field) const { return compile(get_string(field)); }

Expression Settings::compile(std::string_view text, std::string_view entry) const {
  static const Schema kNoColumns;
  const Schema& columns = context_.inputs.empty() ? kNoColumns : context_.inputs.front();
  Bindings own = bindings();
  for (const char c : entry) {
    own.seed = (own.seed ^ static_cast<unsigned char>(c)) * 1099511628211ull;  // FNV-1a
  }
  return Expression::compile(text, columns, own);
}

Bindings Settings::bindings() const {
  Bindings bindings;
  for (const auto& [name, value] : context_.params) bindings.params.insert_or_assign(name, value);
  bindings.now_micros = context_.now_micros;
  bindings.seed = context_.seed;
  return bindings;
}

const Schema& Settings::input(size_t port) const {
  if (port >= context_.inputs.size()) {
    throw Bug(format("stage \"{}\" asks for input {}, but has {}", context_.stage, port,
                     context_.inputs.size()));
  }
  return context_.inputs[port];
}

void Codec<Settings>::write(Encoder& out, const Settings& settings) {
  out.array(2);
  encode(out, settings.values());
  encode(out, settings.context());
}

Settings Codec<Settings>::read(Decoder& in) {
  in.array(2);
  Object values = decode<Object>(in);
  return Settings(std::move(values), decode<Settings::Context>(in));
}

}  // namespace towpath
