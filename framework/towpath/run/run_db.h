#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

struct sqlite3;

namespace towpath {

// The lasting record of a run, in SQLite: what was to run, how it stands, what it counted.
//
//   run     one row: id, pipeline, config, started, ended, status, exit_code, message
//   plan    one row: the plan as MessagePack, and the YAML text
//   ledger  one row a stage, written when the run ends
//   event   what happened to workers: time, stage, worker, text
//
// Threads    writes are handed to a thread of its own, in order; the caller never waits for the
//            disk but in flush(). An error of the disk is thrown by the next call.
class RunDb {
 public:
  struct StageRow {
    std::string name;
    int64_t workers = 0, restarts = 0, leases = 0;
    int64_t in = 0, out = 0, filtered = 0, rejected = 0, bytes = 0;
  };

  explicit RunDb(const std::string& path);
  ~RunDb();
  RunDb(const RunDb&) = delete;

  void begin(const std::string& id, const std::string& pipeline, const std::string& config,
             const std::string& config_text, const std::string& plan);
  void event(const std::string& stage, const std::string& worker, const std::string& text);
  void end(const std::string& status, int exit_code, const std::string& message,
           const std::vector<StageRow>& ledger);
  void flush();  // returns when everything so far is on the disk

 private:
  void write(std::function<void()> job);
  void serve();
  void execute(const char* sql);

  sqlite3* db_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool busy_ = false, closing_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace towpath
