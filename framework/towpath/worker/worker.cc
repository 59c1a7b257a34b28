#include "towpath/worker/worker.h"

#include <malloc.h>
#include <unistd.h>

#include <csignal>
#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "towpath/base/clock.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/channel/dealer.h"
#include "towpath/expr/key_hash.h"
#include "towpath/memory/arena_view.h"
#include "towpath/process/title.h"
#include "towpath/worker/chain.h"
#include "towpath/worker/committer.h"
#include "towpath/worker/input_list.h"
#include "towpath/worker/open_batch.h"
#include "towpath/worker/protocol.h"
#include "towpath/worker/unfinished.h"

namespace towpath {
namespace {

constexpr auto kCommitDelay = std::chrono::milliseconds(1);
constexpr auto kShortLease = std::chrono::microseconds(100);
constexpr Millis kIdlePause{50};

// Neither is a std::exception: a stage that catches those of its own must not swallow them.
struct Stopped {};          // the run was stopped while a lease was in work
struct CoordinatorGone {};  // nobody would hear what we have to say

class WorkerServices final : public Services {
 public:
  WorkerServices(const WorkerStart& start, std::function<void()> stop_point)
      : temp_dir_(start.temp_dir),
        identity_(start.identity),
        inputs_(start.inputs),
        stop_point_(std::move(stop_point)) {}

  Counter& counter(std::string_view name) override { return counters_[std::string(name)].counter; }

  std::string temp_file() override {
    std::string path = temp_dir_ + "/stage-XXXXXX";
    const int fd = mkstemp(path.data());
    if (fd < 0) throw_errno(format("mkstemp({})", path));
    ::close(fd);
    return path;
  }

  void stop_point() override { stop_point_(); }

  std::vector<FoundFile> find_inputs(const std::vector<std::string>& patterns) override {
    if (auto known = load_input_list(inputs_)) return *known;
    std::vector<FoundFile> found = find_files(patterns);
    save_input_list(inputs_, found);
    return found;
  }

  void note_unfinished(const std::vector<std::string>& files) override {
    note_unfinished_files(temp_dir_, identity_, files);
  }

  void take(std::vector<std::pair<std::string, uint64_t>>& counters) {
    for (auto& [name, entry] : counters_) {
      const uint64_t value = entry.counter.value();
      if (value != entry.taken) counters.emplace_back(name, value - entry.taken);
      entry.taken = value;
    }
  }

 private:
  struct Entry {
    Counter counter;
    uint64_t taken = 0;
  };
  const std::string temp_dir_, identity_, inputs_;
  const std::function<void()> stop_point_;
  std::map<std::string, Entry> counters_;
};

class Worker final : public Committer::Link {
 public:
  Worker(WorkerStart start, UniqueFd arena, int lifeline)
      : start_(std::move(start)),
        arena_(std::move(arena)),
        dealer_(start_.address, start_.identity, lifeline),
        services_(start_, [this] { take_messages(false); }),
        committer_(arena_, start_.outputs, *this) {}

  int run() {
    try {
      std::vector<Outputs::Named> outputs;
      for (const WorkerOutput& output : start_.outputs)
        outputs.push_back({output.name, output.schema});
      chain_ = std::make_unique<Chain>(start_.steps.front().context.stage, start_.steps, outputs,
                                       committer_);
      chain_->open(services_, start_.token);
      if (start_.state) chain_->restore(*start_.state);
      tell_ready();
      loop();
    } catch (const Stopped&) {
      discard();
    } catch (const std::exception& error) {
      Failed failed;
      failed.lease = lease_;
      failed.what = error.what();
      tell(FromWorker::kFailed, failed);
      await_pill();
      discard();
      return 1;
    }
    return 0;
  }

  // ── Committer::Link ──

  void send(const std::vector<Commit>& commits) override {
    tell(FromWorker::kCommit, commits);
    last_sent_ = Clock::now();
  }

  void take_messages(bool wait) override {
    if (wait) {
      const auto began = Clock::now();
      handle(*hear(kForever));
      work_began_ += Clock::now() - began;  // waiting is not computing
    }
    while (const std::optional<std::string> message = hear(Millis{0})) handle(*message);
    if (pill_ && *pill_ != Pill::kEnd) throw Stopped{};
  }

  void count(Commit& commit) override {
    commit.counts = chain_->take_counts();
    services_.take(commit.counters);
  }

  uint64_t state_bytes() override { return chain_->state_bytes(); }

 private:
  void discard() {
    if (chain_ && pill_ == Pill::kStop) chain_->discard();
  }

  template <class F>
  static auto with_coordinator(F talk) {
    try {
      return talk();
    } catch (const Closed&) {
      throw CoordinatorGone{};
    }
  }

  template <class Body>
  void tell(FromWorker kind, const Body& body) {
    with_coordinator([&] { dealer_.send(make_message(kind, body)); });
  }
  void tell_ready() {
    Ready ready;
    ready.next_port = chain_->next_port().value_or(-1);
    ready.state = chain_->state_bytes();
    tell(FromWorker::kReady, ready);
  }
  std::optional<std::string> hear(Millis timeout) {
    return with_coordinator([&] { return dealer_.receive(timeout); });
  }

  void loop() {
    while (true) {
      // What is done is told at once, unless the next will be done within no time too.
      if (leases_.empty() || last_lease_ > kShortLease ||
          Clock::now() - last_sent_ > kCommitDelay) {
        committer_.send_queued();
      }
      take_messages(false);
      while (leases_.empty() && !pill_) {
        if (idle_) wait_for_source();
        take_messages(!idle_);
      }
      if (leases_.empty()) break;
      const Lease lease = std::move(leases_.front());
      leases_.pop_front();
      work(lease);
    }
    if (pill_ == Pill::kEnd) chain_->close();
  }

  void work(const Lease& lease) {
    lease_ = lease.id;
    work_began_ = Clock::now();
    committer_.begin(lease);
    Source::Read read;
    std::string position;
    switch (lease.kind) {
      case LeaseKind::kProcess:
        process(lease);
        break;
      case LeaseKind::kRead:
        read = chain_->read();
        break;
      case LeaseKind::kFinish:
        flush(lease.port);
        break;
      case LeaseKind::kSave:
        position = format("{}/{}/{}", start_.states_dir, lease.epoch, start_.state_name);
        chain_->save(position);
        break;
      case LeaseKind::kPrepare:
        position = chain_->prepare(lease.epoch);
        break;
      case LeaseKind::kApply:
        chain_->apply(lease.epoch);
        break;
      case LeaseKind::kCommit:
        chain_->commit(lease.epoch);
        break;
    }
    Commit commit = committer_.finish();
    if (lease.kind == LeaseKind::kRead) {
      commit.cursor = read.token;
      commit.ended = read.state == Source::Read::kEnd;
      commit.done = read.done;
      commit.total = read.total;
      commit.idle = idle_ = read.state == Source::Read::kIdle;
    }
    commit.position = std::move(position);
    commit.next_port = chain_->next_port().value_or(-1);
    last_lease_ = Clock::now() - work_began_;
    commit.busy_us = static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(last_lease_).count());
    committer_.queue(std::move(commit));
    lease_ = 0;
#ifdef __SANITIZE_ADDRESS__
    arena_.unmap_windows();  // whoever still writes into what is committed is caught
#endif
  }

  void flush(int port) {
    const uint64_t before = chain_->state_bytes();
    while (chain_->finish(port)) {
    }
    // What the state took goes back to the machine: this process may live on for long.
    if (chain_->state_bytes() < before) ::malloc_trim(0);
  }

  void process(const Lease& lease) {
    Batch batch = open_batch(lease.batch, arena_);
    int64_t rows = batch.rows();
    if (!start_.partition_by.empty()) {  // the edge's writer hashed another key, or none
      std::vector<uint8_t> partitions;
      partition_rows(batch, start_.partition_by, partitions);
      batch = batch.with_partitions(std::move(partitions));
    }
    if (lease.partitions != ~uint64_t{0}) {
      rows = 0;
      for (int64_t row = 0; row < batch.rows(); ++row) {
        rows += (lease.partitions >> batch.partition(row)) & 1;
      }
    }
    chain_->process(batch.leased(lease.port, lease.cursor, lease.first_row), rows);
  }

  void handle(const std::string& message) {
    Decoder in(message);
    switch (message_kind<ToWorker>(in)) {
      case ToWorker::kWork:
        for (Lease& lease : towpath::decode<std::vector<Lease>>(in))
          leases_.push_back(std::move(lease));
        break;
      case ToWorker::kRoom:
        add_room(towpath::decode<Room>(in));
        break;
      case ToWorker::kPill:
        pill_ = towpath::decode<Pill>(in);
        break;
    }
  }

  // Room may be granted ahead to a lease that still waits in line.
  void add_room(const Room& room) {
    for (Lease& lease : leases_) {
      if (lease.id == room.lease) lease.grants.push_back(room.grant);
    }
    committer_.add_room(room);
  }

  // Nothing to read now: until there is, or somebody has something to say. A source without a
  // descriptor to watch is asked again soon.
  void wait_for_source() {
    const int fd = chain_->wait_fd();
    const std::vector<int> fds = fd < 0 ? std::vector<int>{} : std::vector<int>{fd};
    const Woke woke =
        with_coordinator([&] { return dealer_.wait(fds, fd < 0 ? kIdlePause : kForever); });
    if (woke == Woke::kMessage) return;
    idle_ = false;
    tell_ready();
  }

  // The coordinator has the error and stops the run; leaving earlier would look like a death.
  void await_pill() {
    while (!pill_) {
      if (const auto message = hear(kForever)) handle(*message);
    }
  }

  const WorkerStart start_;
  ArenaView arena_;
  Dealer dealer_;
  WorkerServices services_;
  Committer committer_;
  std::unique_ptr<Chain> chain_;
  std::deque<Lease> leases_;
  std::optional<Pill> pill_;
  uint64_t lease_ = 0;  // in work; 0: none
  Clock::time_point work_began_{}, last_sent_{};
  Clock::duration last_lease_{};
  bool idle_ = false;  // the source had nothing when it was read last
};

}  // namespace

void worker_main(WorkerStart start, Descriptor arena, Descriptor lifeline, Descriptor) {
  set_process_title("towpath: " + start.title);
  set_log_name(start.title);
  // A reader that has gone is an error of the write, not a death.
  ::signal(SIGPIPE, SIG_IGN);
  int code = 0;
  try {
    Worker worker(std::move(start), UniqueFd(arena.fd), lifeline.fd);
    code = worker.run();
  } catch (const CoordinatorGone&) {
    ::_exit(1);
  }
  if (code != 0) ::exit(code);
}

}  // namespace towpath
