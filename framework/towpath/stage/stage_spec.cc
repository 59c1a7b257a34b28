#include "towpath/stage/stage_spec.h"

#include <concepts>
#include <tuple>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/codec.h"

namespace towpath {
namespace {

constexpr int kSpecVersion = 2;

template <class E>
void check(E value, E last, std::string_view what) {
  if (static_cast<int>(value) < 0 || value > last) {
    throw Invalid(format("stage spec: {} {} does not exist", what, static_cast<int>(value)));
  }
}

// The fields of a spec are written one after another in an array, each kind of struct by its own
// list.
template <class F>
auto fields_of(F& f) requires std::same_as<std::remove_const_t<F>, FieldSpec> {
  return std::tie(f.name, f.kind, f.help, f.required, f.rest, f.fallback, f.min, f.max, f.choices,
                  f.result, f.unit, f.column_types, f.filled);
}
template <class R>
auto fields_of(R& r) requires std::same_as<std::remove_const_t<R>, OutputRule> {
  return std::tie(r.kind, r.name, r.type, r.field);
}

template <class... T>
void write_all(Encoder& out, const std::tuple<T&...>& values) {
  out.array(sizeof...(T));
  std::apply([&out](const auto&... each) { (encode(out, each), ...); }, values);
}
template <class... T>
void read_all(Decoder& in, std::tuple<T&...> values) {
  in.array(sizeof...(T));
  std::apply([&in](auto&... each) { ((each = decode<T>(in)), ...); }, values);
}

}  // namespace

template <>
struct Codec<FieldSpec> {
  static void write(Encoder& out, const FieldSpec& field) { write_all(out, fields_of(field)); }
  static FieldSpec read(Decoder& in) {
    FieldSpec field;
    read_all(in, fields_of(field));
    check(field.kind, FieldKind::kAny, "field kind");
    for (const Type type : field.column_types) check(type, Type::kObject, "type");
    return field;
  }
};

template <>
struct Codec<OutputRule> {
  static void write(Encoder& out, const OutputRule& rule) { write_all(out, fields_of(rule)); }
  static OutputRule read(Decoder& in) {
    OutputRule rule{};
    read_all(in, fields_of(rule));
    check(rule.kind, OutputRule::Kind::kDetected, "output rule");
    check(rule.type, Type::kObject, "type");
    return rule;
  }
};

const FieldSpec* StageSpec::find_field(std::string_view name) const {
  for (const FieldSpec& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

std::string StageSpec::encode() const {
  Encoder out;
  out.array(2);
  out.integer(kSpecVersion);
  write_all(out, std::tie(kind_, summary_, main_field_, keyed_by_, role_, fields_, reads_,
                          examples_, rules_, reads_files_, row_to_row_, stateful_, one_worker_,
                          shares_file_by_, ignores_case_));
  return out.take();
}

StageSpec StageSpec::decode(std::string_view encoded) {
  Decoder in(encoded);
  in.array(2);
  const int64_t version = in.integer();
  if (version != kSpecVersion) {
    throw Invalid(format("stage spec: version {}, but this is {}", version, kSpecVersion));
  }
  StageSpec spec;
  read_all(in, std::tie(spec.kind_, spec.summary_, spec.main_field_, spec.keyed_by_, spec.role_,
                        spec.fields_, spec.reads_, spec.examples_, spec.rules_, spec.reads_files_,
                        spec.row_to_row_, spec.stateful_, spec.one_worker_, spec.shares_file_by_,
                        spec.ignores_case_));
  check(spec.role_, Role::kSink, "role");
  if (!in.at_end()) throw Invalid("stage spec: bytes behind its end");
  return spec;
}

}  // namespace towpath
