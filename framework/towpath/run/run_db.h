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

#include "towpath/base/wake_fd.h"

struct sqlite3;

namespace towpath {

// The lasting record of a run, in SQLite: what was to run, how it stands, what it counted.
//
//   run     one row: id, pipeline, config, started, ended, status, exit_code, message
//   plan    one row: the plan as MessagePack, and the YAML text
//   ledger  one row a stage, written when the run ends
//   epoch   one row each: number, time, final, visible, and what the run can go on from as
//           MessagePack, of the last
//   applied one row a sink that refused rows of an epoch: bytes of its reject file, and its counts
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
  // Each is on the disk, behind its files, when is_durable() says so of the ticket; wake_fd() is
  // readable then, and when it never will be: is_durable() throws what is wrong with the disk.
  using Ticket = uint64_t;
  // An epoch takes the place of those before it; the folder of the last one, if there is one, is
  // removed behind it.
  Ticket epoch(uint64_t number, bool final, const std::string& record,
               const std::vector<std::string>& files, const std::string& last_folder);
  Ticket applied(uint64_t epoch, int sink, uint64_t bytes, const std::string& counts,
                 const std::string& file);
  // All outputs show the final epoch: nothing of it must be done again.
  Ticket visible(uint64_t number);
  bool is_durable(Ticket ticket);
  const WakeFd& wake_fd() const { return wake_; }
  // The run goes on, in another process.
  void resumed();
  void event(const std::string& stage, const std::string& worker, const std::string& text);
  void end(const std::string& status, int exit_code, const std::string& message,
           const std::vector<StageRow>& ledger);
  void flush();  // returns when everything so far is on the disk

 private:
  void write(std::function<void()> job);
  Ticket make_durable(std::vector<std::string> files, std::function<void()> job);
  void serve();
  void execute(const char* sql);
  void transact(const std::function<void()>& work);

  sqlite3* db_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool busy_ = false, closing_ = false;
  std::exception_ptr error_;
  Ticket last_ticket_ = 0;
  Ticket durable_ = 0;
  WakeFd wake_ = WakeFd::create();
  std::thread thread_;
};

// What run.db says of a run that nobody works at.
struct RecordedRun {
  std::string id, config, config_text, plan, status;
  int exit_code = 0;
  // The last epoch; 0: none.
  uint64_t epoch = 0;
  bool final = false, visible = false;
  std::string record;
  struct Applied {
    int sink = 0;
    uint64_t bytes = 0;
    std::string counts;
  };
  std::vector<Applied> applied;
};
// Throws Invalid when there is nothing to be read.
RecordedRun read_run(const std::string& path);

}  // namespace towpath
