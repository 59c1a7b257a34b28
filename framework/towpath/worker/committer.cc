#include "towpath/worker/committer.h"

#include <algorithm>
#include <utility>

#include "towpath/expr/key_hash.h"

namespace towpath {
namespace {

constexpr uint64_t kStateStep = 1 << 20;  // growth that is told before the lease ends
constexpr uint64_t kInlineBurst = 64 << 10;

}  // namespace

Committer::Committer(ArenaView& arena, std::vector<WorkerOutput> outputs, Link& link)
    : arena_(arena), outputs_(std::move(outputs)), link_(link) {}

void Committer::begin(const Lease& lease) {
  lease_ = lease.id;
  attempt_ = lease.attempt;
  part_ = lease.part;
  epoch_ = lease.epoch;
  partitions_owned_ = lease.partitions;
  skip_ = lease.skip;
  skip_.resize(outputs_.size() + 1);
  grants_ = lease.grants;
  filled_.clear();
  inline_bytes_ = 0;
}

void Committer::add_room(const Room& room) {
  if (room.lease == lease_ && room.attempt == attempt_) grants_.push_back(room.grant);
}

void Committer::consume(int number, BatchBuilder& batch) {
  const size_t output = number == kRejects ? outputs_.size() : static_cast<size_t>(number);
  // Applied already, by a worker that died in the middle of this lease.
  if (skip_[output] > 0) {
    --skip_[output];
    return;
  }
  if (number != kRejects && !outputs_[output].partition_by.empty()) {
    partition_rows(batch, outputs_[output].partition_by, partitions_);
    batch.set_partitions(partitions_);
  }
  const BatchBuilder::Layout layout = batch.layout();
  OutBatch out;
  out.output = static_cast<int>(output);
  out.batch.size = layout.size;
  out.batch.head_at = layout.head_at;
  out.batch.rows = batch.rows();
  // Small ones need no room; but many of them do: then one takes a block, and waits for it.
  if (layout.size < kInlineBytes && inline_bytes_ < kInlineBurst) {
    inline_bytes_ += layout.size;
    out.batch.image.resize(layout.size);
    batch.write(layout, out.batch.image.data());
  } else {
    const Block block = take_block(out.output, layout.size);
    inline_bytes_ = 0;
    batch.write(layout, arena_.write(block).data());
    out.batch.blocks.push_back(block);
  }
  filled_.push_back(std::move(out));
}

Commit Committer::make_part() {
  Commit commit;
  commit.lease = lease_;
  commit.attempt = attempt_;
  commit.part = part_++;
  commit.epoch = epoch_;
  commit.partitions = partitions_owned_;
  commit.final = false;
  commit.outputs = std::exchange(filled_, {});
  commit.state = told_state_ = link_.state_bytes();
  return commit;
}

Block Committer::take_block(int output, uint64_t bytes) {
  const auto find = [&] {
    auto best = grants_.end();
    for (auto grant = grants_.begin(); grant != grants_.end(); ++grant) {
      if (grant->output != output || grant->block.size < bytes) continue;
      if (best == grants_.end() || grant->block.size < best->block.size) best = grant;
    }
    return best;
  };
  auto found = find();
  if (found == grants_.end()) {
    link_.take_messages(false);  // granted ahead, perhaps
    found = find();
  }
  if (found == grants_.end()) {
    Commit commit = make_part();
    commit.want = Want{output, bytes};
    queue(std::move(commit));
    send_queued();
    while ((found = find()) == grants_.end()) link_.take_messages(true);
  }
  const Block block = found->block;
  grants_.erase(found);
  return block;
}

void Committer::part(std::string_view cursor) {
  // Without output and with the same state, nothing new stands behind this cursor.
  if (filled_.empty() && !state_grew()) return;
  Commit commit = make_part();
  commit.cursor = std::string(cursor);
  link_.count(commit);
  queue(std::move(commit));
  send_queued();
  link_.take_messages(false);  // the run may have been stopped
}

bool Committer::state_grew() const { return link_.state_bytes() >= told_state_ + kStateStep; }

Commit Committer::finish() {
  Commit commit = make_part();
  commit.final = true;
  link_.count(commit);
  lease_ = 0;
  return commit;
}

void Committer::queue(Commit commit) { queued_.push_back(std::move(commit)); }

void Committer::send_queued() {
  if (queued_.empty()) return;
  link_.send(queued_);
  queued_.clear();
}

}  // namespace towpath
