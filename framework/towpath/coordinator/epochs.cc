#include "towpath/coordinator/epochs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/read_all.h"
#include "towpath/base/write_all.h"

namespace towpath {
namespace {

constexpr int kSaveShare = 20;  // saving takes one part of so many, at most

// Moves the images of batches out of the record and into a file.
class ImageFile {
 public:
  ImageFile(std::string path, const ArenaView& arena) : path_(std::move(path)), arena_(arena) {}
  void add(EpochRecord::Held& held) {
    BatchName& batch = held.batch;
    if (!fd_) {
      fd_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
      if (!fd_) throw_errno(format("open({})", path_));
    }
    held.at = size_;
    if (batch.blocks.empty()) {
      write_all(fd_.get(), batch.image, path_);
    } else {
      const std::span<const char> image = arena_.read(batch.blocks.front()).first(batch.size);
      write_all(fd_.get(), {image.data(), image.size()}, path_);
    }
    batch.blocks.clear();
    batch.image.clear();
    size_ += batch.size;
  }
  bool used() const { return static_cast<bool>(fd_); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const ArenaView& arena_;
  UniqueFd fd_;
  uint64_t size_ = 0;
};

void load_images(EpochRecord& record, const std::string& path) {
  UniqueFd fd;
  const auto load = [&](EpochRecord::Held& held) {
    if (!fd) fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw_errno(format("open({})", path));
    std::string& image = held.batch.image;
    image.resize(held.batch.size);
    read_all(fd.get(), image.data(), image.size(), held.at, path);
  };
  for (EpochRecord::EdgeAt& edge : record.edges) {
    for (EpochRecord::Held& held : edge.held) load(held);
  }
  for (EpochRecord::StageAt& stage : record.stages) {
    for (EpochRecord::OpenLease& lease : stage.leases) load(lease.input);
  }
}

}  // namespace

std::string Epochs::folder_of(uint64_t number) const {
  return folder_.file(format("states/{}", number));
}
std::string Epochs::images_of(uint64_t number) const { return folder_of(number) + "/batches"; }

Epochs::Epochs(const RunFolder& folder, Millis interval)
    : folder_(folder), interval_(interval), due_(Clock::now() + interval) {}

void Epochs::go_on(Ledger& ledger, RunDb& db, RejectFile& rejects, const ArenaView& arena,
                   bool ended) {
  db.wake_fd().clear();
  if (state_ == EpochState::kNone && !final_ && (ended || Clock::now() >= due_)) {
    ledger.begin_cut();
    change(EpochEvent::kCut);
  }
  if (state_ == EpochState::kDraining && ledger.cut_drained()) {
    reject_bytes_ = rejects.sizes();
    save_began_ = Clock::now();
    ++number_;
    make_folder();
    ledger.begin_save(number_);
    change(EpochEvent::kDrained);
  }
  if (state_ == EpochState::kSaving && ledger.all_saved()) {
    record(ledger, db, rejects, arena);
    change(EpochEvent::kSaved);
  }
  if (state_ == EpochState::kRecording && db.is_durable(recording_)) {
    recorded();
    ledger.begin_commit(final_);
    change(EpochEvent::kRecorded);
  }
  if (state_ == EpochState::kCommitting) {
    for (const int sink : ledger.applied_sinks()) publish(ledger, db, rejects, sink);
  }
  if (state_ == EpochState::kCommitting && ledger.all_committed()) {
    // Who goes on behind this must not make it visible again: sinks have forgotten it by then.
    if (final_ && showing_ == 0) showing_ = db.visible(number_);
    if (final_ && !db.is_durable(showing_)) return;
    ledger.end_epoch();
    change(EpochEvent::kVisible);
    const auto now = Clock::now();
    if (!hastened_) {
      due_ = std::max(now + interval_, save_began_ + (now - save_began_) * kSaveShare);
    }
  }
}

bool Epochs::revoke(Ledger& ledger) {
  if (state_ != EpochState::kDraining) return false;
  ledger.revoke_cut();
  change(EpochEvent::kRevoked);
  due_ = Clock::now() + interval_;
  return true;
}

void Epochs::make_folder() const {
  const std::string path = folder_of(number_);
  std::error_code error;
  std::filesystem::remove_all(path, error);  // from before a rewind
  if (!error && ::mkdir(path.c_str(), 0700) != 0) throw_errno(format("mkdir({})", path));
  if (error) throw SystemError(format("rmdir({})", path), error.value());
}

// The rows that it refused are on the disk before it can't refuse them again.
void Epochs::publish(Ledger& ledger, RunDb& db, RejectFile& rejects, int sink) {
  const uint64_t bytes = rejects.size(sink);
  if (bytes > reject_bytes_[static_cast<size_t>(sink)]) {
    Refused& refused = refused_[sink];
    if (refused.ticket == 0) {
      refused = {0, bytes, to_bytes(ledger.counts(sink))};
      refused.ticket = db.applied(number_, sink, bytes, refused.counts, rejects.file(sink));
    }
    if (!db.is_durable(refused.ticket)) return;
  }
  ledger.make_visible(sink);
}

void Epochs::recorded() {
  refused_.clear();
  last_ = std::move(saving_);
  last_number_ = number_;
  rewinds_ = 0;
}

void Epochs::record(Ledger& ledger, RunDb& db, RejectFile& rejects, const ArenaView& arena) {
  EpochRecord record = ledger.epoch_record();
  record.reject_bytes = reject_bytes_;
  final_ = record.final;
  std::vector<std::string> files = rejects.files();
  ImageFile images(images_of(number_), arena);
  for (EpochRecord::EdgeAt& edge : record.edges) {
    for (EpochRecord::Held& held : edge.held) images.add(held);
  }
  for (EpochRecord::StageAt& stage : record.stages) {
    for (EpochRecord::OpenLease& lease : stage.leases) images.add(lease.input);
  }
  if (images.used()) files.push_back(images.path());
  // The names of the files, too.
  files.push_back(folder_of(number_));
  files.push_back(folder_.file("states"));
  saving_ = to_bytes(record);
  recording_ = db.epoch(number_, record.final, saving_, files,
                        last_number_ == 0 ? "" : folder_of(last_number_));
}

std::string Epochs::last_position(int sink) const {
  return from_bytes<EpochRecord>(last_).stages.at(static_cast<size_t>(sink)).saved;
}

std::optional<EpochRecord> Epochs::go_back(RunDb& db) {
  const bool publishing = state_ == EpochState::kRecording || state_ == EpochState::kCommitting;
  if (publishing) db.flush();  // also of what sinks refused
  if (state_ == EpochState::kRecording) recorded();
  change(EpochEvent::kLost);
  ++rewinds_;
  ++all_rewinds_;
  saving_.clear();
  due_ = Clock::now() + interval_ / (1 << std::min(rewinds_, 10));
  return begin_from_last(publishing);
}

std::optional<EpochRecord> Epochs::resume(const RecordedRun& run) {
  last_ = run.record;
  last_number_ = run.epoch;
  for (const RecordedRun::Applied& each : run.applied) {
    refused_[each.sink] = {0, each.bytes, each.counts};
  }
  return begin_from_last(!run.visible);
}

// Publishing: what is recorded may not be visible yet.
std::optional<EpochRecord> Epochs::begin_from_last(bool publishing) {
  number_ = last_number_;
  final_ = false;
  showing_ = 0;
  if (last_number_ == 0) return std::nullopt;
  auto record = from_bytes<EpochRecord>(last_);
  load_images(record, images_of(last_number_));
  for (const auto& [sink, refused] : refused_) {
    EpochRecord::StageAt& at = record.stages[static_cast<size_t>(sink)];
    at.counts = from_bytes<StageCounts>(refused.counts);
    at.applied = true;
    record.reject_bytes[static_cast<size_t>(sink)] = refused.bytes;
  }
  final_ = record.final;
  reject_bytes_ = record.reject_bytes;
  if (publishing && final_) change(EpochEvent::kAgain);
  return record;
}

}  // namespace towpath
