#include "stages/core/group.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "towpath/base/format.h"
#include "towpath/expr/key_hash.h"
#include "towpath/message/json.h"

namespace towpath::core {
namespace {

using Texts = std::vector<std::pair<std::string, std::string>>;

Texts aggregates_of(const Settings& settings) {
  return settings.has("aggregates") ? settings.get_map("aggregates") : Texts{};
}

// Each different argument of the aggregates once, named by its own text.
Texts arguments_of(const Settings& settings) {
  Texts arguments;
  for (const auto& [name, text] : aggregates_of(settings)) {
    const std::string argument =
        AggregateCall::parse(text, settings.input(), settings.bindings()).argument;
    const bool known = std::ranges::any_of(
        arguments, [&argument](const auto& entry) { return entry.first == argument; });
    if (!argument.empty() && !known) arguments.emplace_back(argument, argument);
  }
  return arguments;
}

}  // namespace

StageSpec Group::describe() {
  return StageSpec("group")
      .summary("Makes one row of all rows with the same key: count, sum, mean, min, max, distinct.")
      .reads("by")
      .field(field("by", FieldKind::kColumns)
                 .of_type(RowKey::types())
                 .default_value("[]")
                 .about("The key's columns; without them, or with [], all rows are one group."))
      .field(field("aggregates", FieldKind::kAggregates)
                 .takes_rest()
                 .about("New column: count(), count(x), sum(x), mean(x), min(x), max(x) or "
                        "distinct(x), where x is an expression; nulls are passed over."))
      .writes_rule(OutputRule::Kind::kColumnsOf, "by")
      .writes_rule(OutputRule::Kind::kAssignments, "aggregates")
      .stateful()
      .keyed_by("by")
      .example("group: { by: [day, country], orders: count(), revenue: sum(qty * price) }")
      .example("group: { by: word, n: count() }")
      .example("group: { rows: count(), first: min(day), last: max(day) }");
}

Group::Group(const Settings& settings)
    : by_(settings.get_strings("by")),
      input_(settings.input()),
      partitions_(settings.context().partitions),
      batch_rows_(settings.context().batch_rows),
      key_(input_, RowKey::ascending(by_)),
      arguments_(settings, arguments_of(settings)) {
  for (const auto& [name, text] : aggregates_of(settings)) {
    const auto call = AggregateCall::parse(text, input_, settings.bindings());
    const int argument = arguments_.find(call.argument);
    std::optional<Type> type;
    if (argument >= 0) type = arguments_.result(static_cast<size_t>(argument)).type;
    results_.push_back({name, argument, Aggregate::make(call.function, type)});
  }
  if (by_.empty() && settings.owns(0)) groups_.add(0, "");
  for (Result& result : results_) result.aggregate->resize(groups_.size());
}

void Group::process(const Batch& in, Outputs& out) {
  arguments_.run(in);
  add_rows(in, out);
  for (Result& result : results_) {
    result.aggregate->resize(groups_.size());
    if (result.argument < 0) {
      result.aggregate->add(nullptr, rows_, group_of_row_);
    } else {
      const Column argument = arguments_.result(static_cast<size_t>(result.argument));
      result.aggregate->add(&argument, rows_, group_of_row_);
    }
  }
}

// Leaves the rows that count in `rows_`, their groups in `group_of_row_`.
void Group::add_rows(const Batch& in, Outputs& rejects) {
  if (by_.empty()) {
    hashes_.assign(static_cast<size_t>(in.rows()), 0);
  } else {
    hash_rows(in, by_, hashes_);
  }
  rows_.clear();
  auto failed = arguments_.failed().begin();
  for (int32_t row = 0; row < in.rows(); ++row) {
    const bool fails = failed != arguments_.failed().end() && failed->first == row;
    if (((partitions_ >> (hashes_[static_cast<size_t>(row)] % kPartitions)) & 1) != 0) {
      if (fails) {
        rejects.reject(in, row, failed->second);
      } else {
        rows_.push_back(row);
      }
    }
    if (fails) ++failed;
  }

  constexpr size_t kAhead = 8;
  group_of_row_.clear();
  key_.bind(in);
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (i + kAhead < rows_.size()) {
      groups_.prefetch(hashes_[static_cast<size_t>(rows_[i + kAhead])]);
    }
    scratch_.clear();
    key_.append(rows_[i], scratch_);
    group_of_row_.push_back(groups_.add(hashes_[static_cast<size_t>(rows_[i])], scratch_));
  }
}

bool Group::finish(int, Outputs& outputs) {
  if (!ordered_) order_groups();
  Output& out = outputs.main();
  std::vector<ColumnBuilder*> keys;
  for (const std::string& name : by_) keys.push_back(&out.builder(name));
  std::vector<ColumnBuilder*> values;
  for (const Result& result : results_) values.push_back(&out.builder(result.name));

  // About one batch a call, so a commit stays small.
  size_t bytes = 0;
  const size_t most = batch_rows_ == 0 ? order_.size() : given_ + batch_rows_;
  while (given_ < std::min(most, order_.size()) && bytes < kBatchBytes) {
    const uint32_t group = order_[given_++];
    if (const std::string why = problem(group); !why.empty()) {
      outputs.reject(SourcePosition{}, show_key(group), why);
      continue;
    }
    out.row();
    key_.put(groups_.key(group), keys);
    for (size_t i = 0; i < results_.size(); ++i) results_[i].aggregate->put(group, *values[i]);
    bytes += groups_.key(group).size() + 9 * results_.size() + 4;
  }
  if (given_ < order_.size()) return true;
  clear();
  return false;
}

uint64_t Group::state_bytes() const {
  uint64_t bytes = groups_.capacity();
  for (const Result& result : results_) bytes += result.aggregate->bytes();
  return bytes + (ordered_ ? order_.capacity() * sizeof(uint32_t) : groups_.size() * kOrderBytes);
}

void Group::clear() {
  groups_.clear();
  for (Result& result : results_) result.aggregate->clear();
  free_vector(order_);
  given_ = 0;
}

void Group::order_groups() {
  order_.resize(groups_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  order_by_key(order_, [this](uint32_t group) { return groups_.key(group); });
  ordered_ = true;
}

std::string Group::problem(uint32_t group) const {
  for (const Result& result : results_) {
    const std::string why = result.aggregate->problem(group);
    if (!why.empty()) return format("{}: {}", result.name, why);
  }
  return {};
}

std::string Group::show_key(uint32_t group) const {
  Object shown{Object::Map{}};
  Schema schema;
  for (const std::string& name : by_) {
    schema.push_back(input_[static_cast<size_t>(find_field(input_, name))]);
  }
  BatchBuilder row(schema);
  std::vector<ColumnBuilder*> columns;
  for (size_t i = 0; i < by_.size(); ++i) columns.push_back(&row.column(i));
  row.add_row_without_position();
  key_.put(groups_.key(group), columns);
  const Batch batch = row.to_batch();
  for (size_t i = 0; i < by_.size(); ++i) shown.set(by_[i], batch.value(0, i));
  return to_json(shown);
}

// Groups that are out already are left out: what a state brings back is what is still to come.
void Group::save(int partition, Encoder& out) {
  if (partition == std::countr_zero(partitions_)) sort_by_partition();
  const auto at = static_cast<size_t>(partition);
  const std::span<const uint32_t> groups =
      std::span(by_partition_).subspan(begins_[at], begins_[at + 1] - begins_[at]);
  out.unsigned_integer(groups.size());
  for (const uint32_t group : groups) {
    out.unsigned_integer(groups_.hash(group));
    out.binary(groups_.key(group));
  }
  for (const Result& result : results_) result.aggregate->save(groups, out);
  if (partition == kPartitions - 1 - std::countl_zero(partitions_)) free_vector(by_partition_);
}

void Group::sort_by_partition() {
  std::vector<bool> given(groups_.size());
  for (size_t i = 0; i < given_; ++i) given[order_[i]] = true;
  const auto partition_of = [this](uint32_t group) {
    return static_cast<size_t>(groups_.hash(group) % kPartitions);
  };
  begins_ = {};
  for (uint32_t group = 0; group < groups_.size(); ++group) {
    if (!given[group]) ++begins_[partition_of(group) + 1];
  }
  std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
  by_partition_.resize(begins_.back());
  auto next = begins_;
  for (uint32_t group = 0; group < groups_.size(); ++group) {
    if (!given[group]) by_partition_[next[partition_of(group)]++] = group;
  }
}

void Group::restore(int partition, Decoder& in) {
  // The only group is in the state, unless it is out already.
  if (by_.empty() && partition == 0) groups_.clear();
  std::vector<uint32_t> groups;
  for (uint64_t left = in.unsigned_integer(); left > 0; --left) {
    const uint64_t hash = in.unsigned_integer();
    groups.push_back(groups_.add(hash, in.binary()));
  }
  for (Result& result : results_) {
    result.aggregate->resize(groups_.size());
    result.aggregate->restore(groups, in);
  }
  ordered_ = false;
}

TOWPATH_STAGE(Group)

}  // namespace towpath::core
