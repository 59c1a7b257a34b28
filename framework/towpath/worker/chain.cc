#include "towpath/worker/chain.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/write_all.h"
#include "towpath/memory/mapping.h"
#include "towpath/plugin/loader.h"

namespace towpath {

// One step with its outputs; takes its own batches and hands them on.
class Chain::Link final : public BatchConsumer {
 public:
  Link(Chain& chain, size_t number, const std::string& stage, const Step& step,
       const std::vector<Outputs::Named>& outputs)
      : chain_(chain), number_(number), outputs_(stage, outputs, step.context.batch_rows, *this) {
    const StageEntry& entry = find_entry(step.plugin, step.kind);
    const Settings settings(step.values, step.context);
    if (entry.make_source != nullptr) source = entry.make_source(settings);
    if (entry.make_stage != nullptr) stage_ = entry.make_stage(settings);
    stateful_ = dynamic_cast<Stateful*>(stage_.get());
    partitions_ = step.context.partitions;
    if (entry.make_sink != nullptr) sink = entry.make_sink(settings);
  }

  void consume(int number, BatchBuilder& batch) override {
    if (number == kRejects) {
      counts.rejected += batch.rows();
      chain_.last_.consume(number, batch);
      return;
    }
    if (number == 0) counts.out += batch.rows();
    if (is_last()) {
      chain_.last_.consume(number, batch);
      return;
    }
    const int64_t rows = batch.rows();
    chain_.links_[number_ + 1]->process(batch.to_batch().leased(0, "", inner_row_), rows);
    inner_row_ += rows;
  }

  // Only the first step reads from a place that a cursor can name.
  void part(std::string_view cursor) override {
    if (number_ != 0) return;
    chain_.flush_from(1);
    chain_.last_.part(cursor);
  }

  void process(const Batch& in, int64_t rows_in) {
    inner_row_ = in.first_row();
    outputs_.begin(in);
    Batch rows = in;  // stays until the outputs are flushed
    if (sink) {
      sink->write(rows, outputs_);
    } else {
      if (stateful_ != nullptr) {
        rows = validated(*stateful_, in, outputs_);
        outputs_.begin(rows);
      }
      stage_->process(rows, outputs_);
    }
    outputs_.flush();
    counts.in += rows_in;  // at the end: a part that is committed before must not count them
  }

  bool finish(int port) {
    outputs_.begin();
    const bool more = stage_ && stage_->finish(port, outputs_);
    outputs_.flush();
    return more;
  }

  void open(Services& services, std::optional<std::string_view> token) {
    if (source) source->open(services, token);
    if (stage_) stage_->open(services);
    if (sink) sink->open(services, token);
  }

  std::optional<int> next_port() { return stage_ ? stage_->next_port() : std::nullopt; }
  Stateful* stateful() const { return stateful_; }
  uint64_t partitions() const { return partitions_; }
  uint64_t state_bytes() const { return stateful_ == nullptr ? 0 : stateful_->state_bytes(); }
  bool is_last() const { return number_ + 1 == chain_.links_.size(); }
  Outputs& outputs() { return outputs_; }

  StepCounts counts;
  std::unique_ptr<Source> source;
  std::unique_ptr<Sink> sink;

 private:
  Chain& chain_;
  const size_t number_;
  std::unique_ptr<Stage> stage_;
  Stateful* stateful_ = nullptr;  // the stage, if it keeps state
  uint64_t partitions_ = 0;       // bit set: whose state is here
  Outputs outputs_;
  int64_t inner_row_ = 0;
};

Chain::Chain(const std::string& stage, const std::vector<Step>& steps,
             const std::vector<Outputs::Named>& outputs, BatchConsumer& last)
    : last_(last) {
  for (size_t number = 0; number < steps.size(); ++number) {
    const Step& step = steps[number];
    const bool is_last = number + 1 == steps.size();
    links_.push_back(std::make_unique<Link>(
        *this, number, stage, step,
        is_last ? outputs : std::vector<Outputs::Named>{{"", step.context.output}}));
  }
}

Chain::~Chain() = default;

void Chain::open(Services& services, std::optional<std::string_view> token) {
  for (auto& link : links_) link->open(services, token);
}

void Chain::process(const Batch& in, int64_t rows_in) { links_.front()->process(in, rows_in); }

void Chain::flush_from(size_t step) {
  for (; step < links_.size(); ++step) links_[step]->outputs().flush();
}

bool Chain::finish(int port) {
  // A step hears of the end of its input when the one before it has flushed all.
  while (finishing_ < links_.size()) {
    if (links_[finishing_]->finish(finishing_ == 0 ? port : 0)) return true;
    ++finishing_;
  }
  finishing_ = 0;
  return false;
}

Source::Read Chain::read() {
  Link& first = *links_.front();
  const int64_t before = first.counts.out;
  first.outputs().begin();
  const Source::Read read = first.source->read(first.outputs());
  first.outputs().flush();
  flush_from(1);
  first.counts.in += first.counts.out - before;
  return read;
}

int Chain::wait_fd() const { return links_.front()->source->wait_fd(); }

// For each step with state: its number, and each of its partitions as a number and bytes.
void Chain::save(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) throw_errno(format("open({})", path));
  // Not in memory: there may be no room for the state twice.
  Encoder out([&](std::string_view bytes) { write_all(file.get(), bytes, path); });
  for (size_t number = 0; number < links_.size(); ++number) {
    const Link& link = *links_[number];
    if (link.stateful() == nullptr) continue;
    for (int partition = 0; partition < kPartitions; ++partition) {
      if ((link.partitions() >> partition & 1) == 0) continue;
      out.array(2);
      out.unsigned_integer(number);
      out.integer(partition);
      link.stateful()->save(partition, out);
    }
  }
  write_all(file.get(), out.bytes(), path);
  if (::fsync(file.get()) != 0) throw_errno(format("fsync({})", path));
}

void Chain::restore(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw_errno(format("open({})", path));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_errno(format("fstat({})", path));
  const Mapping bytes(file.get(), 0, static_cast<uint64_t>(status.st_size), Mapping::Access::kRead);
  Decoder in({bytes.bytes().data(), bytes.bytes().size()});
  while (!in.at_end()) {
    in.array(2);
    const uint64_t number = in.unsigned_integer();
    const auto partition = static_cast<int>(in.integer());
    if (number >= links_.size() || links_[number]->stateful() == nullptr)
      throw Invalid(format("{} is of another pipeline", path));
    links_[number]->stateful()->restore(partition, in);
  }
}

std::string Chain::prepare(uint64_t epoch) {
  std::string position = links_.back()->sink->prepare(epoch, links_.back()->outputs());
  links_.back()->outputs().flush();
  return position;
}

void Chain::apply(uint64_t epoch) {
  links_.back()->sink->apply(epoch, links_.back()->outputs());
  links_.back()->outputs().flush();
}

void Chain::commit(uint64_t epoch) { links_.back()->sink->commit(epoch); }

void Chain::close() {
  if (links_.back()->sink) links_.back()->sink->close();
}

void Chain::discard() {
  if (links_.back()->sink) links_.back()->sink->discard();
}

std::optional<int> Chain::next_port() { return links_.front()->next_port(); }

uint64_t Chain::state_bytes() const {
  uint64_t bytes = 0;
  for (const auto& link : links_) bytes += link->state_bytes();
  return bytes;
}

std::vector<StepCounts> Chain::take_counts() {
  std::vector<StepCounts> counts;
  for (auto& link : links_) counts.push_back(std::exchange(link->counts, {}));
  return counts;
}

}  // namespace towpath
