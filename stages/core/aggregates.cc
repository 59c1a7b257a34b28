#include "stages/core/aggregates.h"

#include <unordered_map>
#include <vector>

#include "stages/core/key_table.h"
#include "stages/core/row_key.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath::core {
namespace {

__extension__ typedef __int128 Wide;

using Rows = std::span<const int32_t>;
using Groups = std::span<const uint32_t>;

// What most aggregates have in common: one State a group, with add(column, row), save and restore.
template <class State>
class PerGroup : public Aggregate {
 public:
  void resize(uint32_t groups) override {
    make_room(states_, groups);
    states_.resize(groups);
  }
  void clear() override { free_vector(states_); }
  uint64_t bytes() const override { return states_.capacity() * sizeof(State); }
  void save(Groups groups, Encoder& out) const override {
    for (const uint32_t group : groups) states_[group].save(out);
  }
  void restore(Groups groups, Decoder& in) override {
    for (const uint32_t group : groups) states_[group].restore(in);
  }
  void add(const Column* argument, Rows rows, Groups groups) override {
    const Column column = *argument;
    if (column.has_nulls()) {
      for (size_t i = 0; i < rows.size(); ++i) {
        if (!column.is_null(rows[i])) states_[groups[i]].add(column, rows[i]);
      }
    } else {
      for (size_t i = 0; i < rows.size(); ++i) states_[groups[i]].add(column, rows[i]);
    }
  }

 protected:
  std::vector<State> states_;
};

struct CountState {
  int64_t count = 0;
  void add(const Column&, int64_t) { ++count; }
  void save(Encoder& out) const { out.integer(count); }
  void restore(Decoder& in) { count = in.integer(); }
};

class CountValues final : public PerGroup<CountState> {
 public:
  void put(uint32_t group, ColumnBuilder& out) const override { out.put_int(states_[group].count); }
};

class CountRows final : public PerGroup<CountState> {
 public:
  void add(const Column*, Rows, Groups groups) override {
    for (const uint32_t group : groups) ++states_[group].count;
  }
  void put(uint32_t group, ColumnBuilder& out) const override { out.put_int(states_[group].count); }
};

struct IntSum {
  Wide sum = 0;  // no number of rows overflows it
  int64_t count = 0;
  void add(const Column& column, int64_t row) {
    sum += column.int_at(row);
    ++count;
  }
  void save(Encoder& out) const {
    out.integer(static_cast<int64_t>(sum >> 64));
    out.unsigned_integer(static_cast<uint64_t>(sum));
    out.integer(count);
  }
  void restore(Decoder& in) {
    const int64_t high = in.integer();
    sum = (Wide{high} << 64) | in.unsigned_integer();
    count = in.integer();
  }
  double mean() const { return static_cast<double>(sum) / static_cast<double>(count); }
};

struct FloatSum {
  double sum = 0;
  int64_t count = 0;
  void add(const Column& column, int64_t row) {
    sum += column.float_at(row);
    ++count;
  }
  void save(Encoder& out) const {
    out.real(sum);
    out.integer(count);
  }
  void restore(Decoder& in) {
    sum = in.real();
    count = in.integer();
  }
  double mean() const { return sum / static_cast<double>(count); }
};

class SumOfInts final : public PerGroup<IntSum> {
 public:
  std::string problem(uint32_t group) const override {
    const Wide sum = states_[group].sum;
    return sum >= INT64_MIN && sum <= INT64_MAX ? "" : "the sum does not fit an int";
  }
  void put(uint32_t group, ColumnBuilder& out) const override {
    const IntSum& state = states_[group];
    if (state.count == 0) {
      out.put_null();
    } else {
      out.put_int(static_cast<int64_t>(state.sum));
    }
  }
};

class SumOfFloats final : public PerGroup<FloatSum> {
 public:
  void put(uint32_t group, ColumnBuilder& out) const override {
    const FloatSum& state = states_[group];
    if (state.count == 0) {
      out.put_null();
    } else {
      out.put_float(state.sum);
    }
  }
};

template <class Sum>
class Mean final : public PerGroup<Sum> {
 public:
  void put(uint32_t group, ColumnBuilder& out) const override {
    const Sum& state = this->states_[group];
    if (state.count == 0) {
      out.put_null();
    } else {
      out.put_float(state.mean());
    }
  }
};

// Keeps the least or greatest value as an ordered key with its mark, so one code serves every type.
// An empty one has seen nothing; keys of numbers fit into the string itself.
class Extreme final : public Aggregate {
 public:
  Extreme(Type type, bool least)
      : least_(least), key_({{"value", type}}, RowKey::ascending({"value"})) {}
  void resize(uint32_t groups) override {
    make_room(keys_, groups);
    keys_.resize(groups);
  }
  void clear() override {
    free_vector(keys_);
    heap_ = 0;
  }
  uint64_t bytes() const override { return keys_.capacity() * sizeof(std::string) + heap_; }
  void add(const Column* argument, Rows rows, Groups groups) override {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (argument->is_null(rows[i])) continue;
      scratch_.assign(1, '\1');
      append_ordered(*argument, rows[i], true, scratch_);
      std::string& best = keys_[groups[i]];
      if (best.empty() || (least_ ? scratch_ < best : scratch_ > best)) keep(best, scratch_);
    }
  }
  void put(uint32_t group, ColumnBuilder& out) const override {
    ColumnBuilder* const column = &out;
    if (keys_[group].empty()) {
      out.put_null();
    } else {
      key_.put(keys_[group], {&column, 1});
    }
  }
  void save(Groups groups, Encoder& out) const override {
    for (const uint32_t group : groups) out.binary(keys_[group]);
  }
  void restore(Groups groups, Decoder& in) override {
    for (const uint32_t group : groups) keep(keys_[group], in.binary());
  }

 private:
  void keep(std::string& best, std::string_view value) {
    const size_t before = on_heap(best);
    best = value;
    heap_ += on_heap(best) - before;
  }
  static size_t on_heap(const std::string& text) {
    static const size_t kInside = std::string().capacity();
    return text.capacity() > kInside ? text.capacity() + 1 : 0;
  }

  bool least_;
  RowKey key_;
  std::vector<std::string> keys_;
  size_t heap_ = 0;  // of the keys too long to lie in their string
  std::string scratch_;
};

template <class T>
struct ExtremeState {
  T value{};
  bool any = false;
};

// Min and max of integers, the ones used most, without a detour through bytes.
class ExtremeInt final : public Aggregate {
 public:
  explicit ExtremeInt(bool least) : least_(least) {}
  void resize(uint32_t groups) override {
    make_room(states_, groups);
    states_.resize(groups);
  }
  void clear() override { free_vector(states_); }
  uint64_t bytes() const override { return states_.capacity() * sizeof(states_[0]); }
  void add(const Column* argument, Rows rows, Groups groups) override {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (argument->is_null(rows[i])) continue;
      ExtremeState<int64_t>& best = states_[groups[i]];
      const int64_t value = argument->int_at(rows[i]);
      if (!best.any || (least_ ? value < best.value : value > best.value)) best = {value, true};
    }
  }
  void put(uint32_t group, ColumnBuilder& out) const override {
    if (states_[group].any) {
      out.put_int(states_[group].value);
    } else {
      out.put_null();
    }
  }
  void save(Groups groups, Encoder& out) const override {
    for (const uint32_t group : groups) {
      out.boolean(states_[group].any);
      out.integer(states_[group].value);
    }
  }
  void restore(Groups groups, Decoder& in) override {
    for (const uint32_t group : groups) {
      states_[group].any = in.boolean();
      states_[group].value = in.integer();
    }
  }

 private:
  bool least_;
  std::vector<ExtremeState<int64_t>> states_;
};

// One set for all groups: what is counted once is a pair of group and value.
class Distinct final : public Aggregate {
 public:
  void resize(uint32_t groups) override {
    make_room(counts_, groups);
    counts_.resize(groups);
  }
  void clear() override {
    seen_.clear();
    free_vector(counts_);
  }
  uint64_t bytes() const override {
    return seen_.capacity() + counts_.capacity() * sizeof(int64_t);
  }
  void add(const Column* argument, Rows rows, Groups groups) override {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (argument->is_null(rows[i])) continue;
      start(groups[i]);
      append_ordered(*argument, rows[i], true, scratch_);
      add_scratch(groups[i]);
    }
  }
  void put(uint32_t group, ColumnBuilder& out) const override { out.put_int(counts_[group]); }
  void save(Groups groups, Encoder& out) const override {
    std::unordered_map<uint32_t, uint32_t> places;
    size_t values = 0;
    for (const uint32_t group : groups) {
      places.emplace(group, static_cast<uint32_t>(places.size()));
      values += static_cast<size_t>(counts_[group]);
    }
    out.array(2 * values);  // the group's place among `groups`, then the value
    for (uint32_t i = 0; i < seen_.size(); ++i) {
      const std::string_view pair = seen_.key(i);
      uint32_t group = 0;
      std::memcpy(&group, pair.data(), sizeof group);
      const auto place = places.find(group);
      if (place == places.end()) continue;
      out.unsigned_integer(place->second);
      out.binary(pair.substr(sizeof group));
    }
  }
  void restore(Groups groups, Decoder& in) override {
    for (size_t left = in.array() / 2; left > 0; --left) {
      const uint64_t place = in.unsigned_integer();
      if (place >= groups.size()) throw Invalid("a saved state names a group that is not there");
      start(groups[place]);
      scratch_ += in.binary();
      add_scratch(groups[place]);
    }
  }

 private:
  void start(uint32_t group) {
    scratch_.assign(reinterpret_cast<const char*>(&group), sizeof group);
  }
  void add_scratch(uint32_t group) {
    const uint32_t before = seen_.size();
    seen_.add(scratch_);
    if (seen_.size() > before) ++counts_[group];
  }

  KeyTable seen_;
  std::vector<int64_t> counts_;
  std::string scratch_;
};

}  // namespace

std::unique_ptr<Aggregate> Aggregate::make(AggregateCall::Function function,
                                           std::optional<Type> argument) {
  using Function = AggregateCall::Function;
  const bool is_int = argument == Type::kInt;
  const bool is_number = is_int || argument == Type::kFloat;
  switch (function) {
    case Function::kCount:
      if (!argument) return std::make_unique<CountRows>();
      return std::make_unique<CountValues>();
    case Function::kSum:
      if (is_int) return std::make_unique<SumOfInts>();
      if (is_number) return std::make_unique<SumOfFloats>();
      break;
    case Function::kMean:
      if (is_int) return std::make_unique<Mean<IntSum>>();
      if (is_number) return std::make_unique<Mean<FloatSum>>();
      break;
    case Function::kMin:
    case Function::kMax:
      if (is_int || argument == Type::kTimestamp) {
        return std::make_unique<ExtremeInt>(function == Function::kMin);
      }
      if (argument && argument != Type::kObject) {
        return std::make_unique<Extreme>(*argument, function == Function::kMin);
      }
      break;
    case Function::kDistinct:
      if (argument) return std::make_unique<Distinct>();
      break;
  }
  throw Invalid(format("this aggregate does not take {}",
                       argument ? type_name(*argument) : std::string_view("no argument")));
}

}  // namespace towpath::core
