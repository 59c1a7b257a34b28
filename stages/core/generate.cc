#include "stages/core/generate.h"

#include <algorithm>
#include <charconv>

#include "towpath/base/format.h"

namespace towpath::core {
namespace {

std::vector<std::pair<std::string, std::unique_ptr<Generator>>> generators(
    const Settings& settings) {
  const Object& columns = settings.get("columns");
  if (!columns.is_map() || columns.as_map().empty()) {
    throw Invalid(format("generate: columns must be a map of column: generator, where that is\n{}",
                         Generator::forms()));
  }
  const auto seed = static_cast<uint64_t>(settings.get_int("seed"));
  std::vector<std::pair<std::string, std::unique_ptr<Generator>>> result;
  for (const auto& [name, form] : columns.as_map()) {
    if (!form.is_string()) {
      throw Invalid(format(
          "generate: column \"{}\" must be a text like int(0, 20); in a map in braces it stands in "
          "quotes",
          name.as_string()));
    }
    result.emplace_back(name.as_string(),
                        Generator::parse(name.as_string(), form.as_string(), seed));
  }
  return result;
}

}  // namespace

StageSpec Generate::describe() {
  return StageSpec("generate")
      .summary("Makes up rows, the same for the same seed.")
      .field(field("rows", FieldKind::kInt).must().range(0, 1e12).about("Number of rows."))
      .field(
          field("seed", FieldKind::kInt).default_value("0").about("Another seed gives other rows."))
      .field(
          field("columns", FieldKind::kAny)
              .must()
              .about("Column: sequence, int(least, most), float(least, most, digits), "
                     "bool(share), choice(text, ...), date(first, days), "
                     "timestamp(first, seconds), word(different words) or "
                     "words(least, most, different words). A date's first reads like 2024-01-01, "
                     "a timestamp's like 2024-01-01T00:00:00Z."))
      .detects_columns()
      .example(
          "generate:\n"
          "  rows: 1000000\n"
          "  columns:\n"
          "    id: sequence\n"
          "    qty: int(0, 20)\n"
          "    price: float(1, 100, 2)\n"
          "    country: choice(DE, FR, US)\n"
          "    day: date(2024-01-01, 365)\n"
          "    at: timestamp(2024-01-01T00:00:00Z, 86400)\n"
          "    text: words(3, 12)");
}

Schema Generate::detect(const Settings& settings) {
  Schema schema;
  for (const auto& [name, generator] : generators(settings)) {
    set_field(schema, name, generator->type());
  }
  return schema;
}

Generate::Generate(const Settings& settings)
    : columns_(generators(settings)), rows_(settings.get_int("rows")) {
  // A read is one batch, so it must stay below what a batch holds; a row's source position takes 12
  // bytes.
  size_t width = 16;
  for (const auto& [name, generator] : columns_) width += generator->width();
  const uint64_t limit = settings.context().batch_rows;
  const size_t most = limit == 0 ? SIZE_MAX : static_cast<size_t>(limit);
  rows_a_batch_ = static_cast<int64_t>(std::min(std::max<size_t>(kBatchBytes / width, 1), most));
}

void Generate::open(Services&, std::optional<std::string_view> token) {
  if (!token) return;
  const auto [end, error] = std::from_chars(token->data(), token->data() + token->size(), next_);
  if (error != std::errc{} || end != token->data() + token->size() || next_ < 0 || next_ > rows_) {
    throw Invalid(format("generate: \"{}\" is not a row to go on from", *token));
  }
}

Source::Read Generate::read(Outputs& outputs) {
  Output& out = outputs.main();
  const int64_t count = std::min(rows_a_batch_, rows_ - next_);
  for (const auto& [name, generator] : columns_) generator->put(next_, count, out.builder(name));
  for (int64_t i = 1; i <= count; ++i) out.at({.file = "generate", .line = next_ + i, .byte = 0});
  next_ += count;
  return {.state = count > 0 ? Read::kMore : Read::kEnd,
          .token = std::to_string(next_),
          .done = static_cast<uint64_t>(next_),
          .total = static_cast<uint64_t>(rows_)};
}

TOWPATH_STAGE(Generate)

}  // namespace towpath::core
