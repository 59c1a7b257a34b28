#include "towpath/run/run_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <thread>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/base/file_lock.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

// Workers end by themselves when their coordinator has died.
constexpr Millis kLastProcesses{10'000};
constexpr Millis kLookAgain{20};

}  // namespace

RunFolder RunFolder::create(const std::string& base, std::string_view pipeline) {
  std::error_code error;
  std::filesystem::create_directories(base, error);
  if (std::error_code ignored; error && !std::filesystem::exists(base, ignored)) {
    throw SystemError(
        format("the folder for runs, {}, can't be made; --run-dir names another", base),
        error.value());
  }
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &parts);
  RunFolder folder;
  for (int tries = 0;; ++tries) {
    folder.id_ = tries == 0 ? format("{}-{}", stamp, pipeline)
                            : format("{}-{}-{}", stamp, pipeline, tries + 1);
    folder.path_ = base + "/" + folder.id_;
    if (::mkdir(folder.path_.c_str(), 0700) == 0) break;
    if (errno != EEXIST || tries == 9999) throw_errno(format("mkdir({})", folder.path_));
  }
  for (const char* name : {"rejects", "states", "tmp"}) {
    if (::mkdir(folder.file(name).c_str(), 0700) != 0)
      throw_errno(format("mkdir({})", folder.file(name)));
  }
  const std::string lock = folder.file("run.lock");
  folder.lock_.reset(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!folder.lock_) throw_errno(format("open({})", lock));
  lock_file(folder.lock_, FileLock::kExclusive, lock);
  return folder;
}

RunFolder RunFolder::open(const std::string& path) {
  RunFolder folder;
  folder.path_ = path;
  while (folder.path_.size() > 1 && folder.path_.ends_with('/')) folder.path_.pop_back();
  folder.id_ = std::filesystem::path(folder.path_).filename();
  const std::string lock = folder.file("run.lock");
  folder.lock_.reset(::open(lock.c_str(), O_RDWR | O_CLOEXEC));
  if (!folder.lock_) {
    throw Invalid(format("{} is no run's folder: {} can't be opened ({})", path, lock,
                         std::generic_category().message(errno)));
  }
  const Deadline deadline(kLastProcesses);
  while (!try_lock_file(folder.lock_, FileLock::kExclusive, lock)) {
    if (deadline.passed()) {
      throw Invalid(
          format("{} goes on: a process of it holds {}; `fuser {}` names it", path, lock, lock));
    }
    std::this_thread::sleep_for(kLookAgain);
  }
  for (const char* name : {"rejects", "states", "tmp"}) {
    if (::mkdir(folder.file(name).c_str(), 0700) != 0 && errno != EEXIST)
      throw_errno(format("mkdir({})", folder.file(name)));
  }
  return folder;
}

void RunFolder::remove_temporary() const {
  std::error_code ignored;  // a temporary file that stays does no harm
  std::filesystem::remove_all(file("tmp"), ignored);
}

void RunFolder::remove_origin() const {
  std::error_code ignored;
  for (const char* name : {"states", "inputs"}) std::filesystem::remove_all(file(name), ignored);
}

}  // namespace towpath
