#include "towpath/run/run_db.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <variant>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/make_thread.h"
#include "towpath/base/unique_fd.h"

namespace towpath {
namespace {

using Value = std::variant<int64_t, std::string>;

int64_t now_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

[[noreturn]] void throw_sqlite(sqlite3* db, std::string_view what) {
  throw Error(format("run.db: {}: {}", what, sqlite3_errmsg(db)));
}

// Runs one statement with its values.
void insert(sqlite3* db, const char* sql, std::initializer_list<Value> values) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db, sql, -1, &raw, nullptr) != SQLITE_OK) throw_sqlite(db, sql);
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement(raw, sqlite3_finalize);
  int at = 1;
  for (const Value& value : values) {
    if (const auto* number = std::get_if<int64_t>(&value)) {
      sqlite3_bind_int64(raw, at, *number);
    } else {
      const std::string& text = std::get<std::string>(value);
      sqlite3_bind_text(raw, at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    }
    ++at;
  }
  if (sqlite3_step(raw) != SQLITE_DONE) throw_sqlite(db, sql);
}

void sync_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0) throw_errno(format("fsync({})", path));
}

}  // namespace

RunDb::RunDb(const std::string& path) {
  if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) {
    const std::string why = sqlite3_errmsg(db_);
    sqlite3_close(db_);
    throw Error(format("{}: {}", path, why));
  }
  sqlite3_busy_timeout(db_, 10'000);
  execute("PRAGMA journal_mode=WAL");
  execute("PRAGMA synchronous=FULL");
  execute(
      "CREATE TABLE IF NOT EXISTS run(id TEXT, pipeline TEXT, config TEXT, started INT, ended INT, "
      "status TEXT,"
      " exit_code INT, message TEXT);"
      "CREATE TABLE IF NOT EXISTS plan(config_text TEXT, plan BLOB);"
      "CREATE TABLE IF NOT EXISTS epoch(number INT PRIMARY KEY, time INT, final INT, "
      "visible INT, record BLOB);"
      "CREATE TABLE IF NOT EXISTS applied(epoch INT, sink INT, bytes INT, counts BLOB, PRIMARY "
      "KEY(epoch, sink));"
      "CREATE TABLE IF NOT EXISTS ledger(stage TEXT, workers INT, restarts INT, leases INT, "
      "rows_in INT, "
      "rows_out INT,"
      " filtered INT, rejected INT, bytes INT);"
      "CREATE TABLE IF NOT EXISTS event(time INT, stage TEXT, worker TEXT, what TEXT)");
  thread_ = make_thread("the run's books", [this] { serve(); });
}

RunDb::~RunDb() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
  sqlite3_close(db_);
}

// All of it or nothing.
void RunDb::transact(const std::function<void()>& work) {
  execute("BEGIN");
  try {
    work();
    execute("COMMIT");
  } catch (...) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

void RunDb::execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) throw_sqlite(db_, sql);
}

void RunDb::write(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
  jobs_.push_back(std::move(job));
  changed_.notify_all();
}

void RunDb::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    std::exception_ptr error;
    try {
      job();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    busy_ = false;
    if (error && !error_) {
      error_ = error;
      jobs_.clear();  // nothing is on the disk that comes behind what is not
      wake_.signal();
    }
    changed_.notify_all();
  }
}

bool RunDb::is_durable(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  if (durable_ >= ticket) return true;
  if (error_) std::rethrow_exception(error_);
  return false;
}

void RunDb::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return jobs_.empty() && !busy_; });
  if (error_) std::rethrow_exception(error_);
}

void RunDb::begin(const std::string& id, const std::string& pipeline, const std::string& config,
                  const std::string& config_text, const std::string& plan) {
  write([=, this] {
    transact([&] {
      insert(db_,
             "INSERT INTO run(id, pipeline, config, started, status) VALUES(?,?,?,?,'running')",
             {id, pipeline, config, now_micros()});
      insert(db_, "INSERT INTO plan VALUES(?, CAST(? AS BLOB))", {config_text, plan});
    });
  });
}

RunDb::Ticket RunDb::make_durable(std::vector<std::string> files, std::function<void()> job) {
  const Ticket ticket = ++last_ticket_;
  write([this, ticket, of = std::move(files), then = std::move(job)] {
    for (const std::string& file : of) sync_file(file);
    then();
    const std::lock_guard lock(mutex_);
    durable_ = ticket;
    wake_.signal();
  });
  return ticket;
}

RunDb::Ticket RunDb::epoch(uint64_t number, bool final, const std::string& record,
                           const std::vector<std::string>& files, const std::string& last_folder) {
  return make_durable(files, [this, number, final, record, last_folder] {
    transact([&] {
      insert(db_, "INSERT INTO epoch VALUES(?,?,?,0,CAST(? AS BLOB))",
             {static_cast<int64_t>(number), now_micros(), int64_t{final}, record});
      insert(db_, "UPDATE epoch SET record = NULL WHERE number < ?",
             {static_cast<int64_t>(number)});
    });
    std::error_code ignored;  // a state that stays does no harm
    if (!last_folder.empty()) std::filesystem::remove_all(last_folder, ignored);
  });
}

RunDb::Ticket RunDb::applied(uint64_t epoch, int sink, uint64_t bytes, const std::string& counts,
                             const std::string& file) {
  return make_durable({file}, [this, epoch, sink, bytes, counts] {
    insert(db_, "INSERT INTO applied VALUES(?,?,?,CAST(? AS BLOB))",
           {static_cast<int64_t>(epoch), int64_t{sink}, static_cast<int64_t>(bytes), counts});
  });
}

RunDb::Ticket RunDb::visible(uint64_t number) {
  return make_durable({}, [this, number] {
    insert(db_, "UPDATE epoch SET visible = 1 WHERE number = ?", {static_cast<int64_t>(number)});
  });
}

void RunDb::resumed() {
  write([this] { execute("UPDATE run SET ended=NULL, status='running', exit_code=NULL"); });
  event("", "", "resumed");
}

void RunDb::event(const std::string& stage, const std::string& worker, const std::string& text) {
  write([=, this] {
    insert(db_, "INSERT INTO event VALUES(?,?,?,?)", {now_micros(), stage, worker, text});
  });
}

void RunDb::end(const std::string& status, int exit_code, const std::string& message,
                const std::vector<StageRow>& ledger) {
  write([=, this] {
    transact([&] {
      execute("DELETE FROM ledger");
      for (const StageRow& row : ledger) {
        insert(db_, "INSERT INTO ledger VALUES(?,?,?,?,?,?,?,?,?)",
               {row.name, row.workers, row.restarts, row.leases, row.in, row.out, row.filtered,
                row.rejected, row.bytes});
      }
      insert(db_, "UPDATE run SET ended=?, status=?, exit_code=?, message=?",
             {now_micros(), status, int64_t{exit_code}, message});
    });
  });
}

// ── reading ──

namespace {

// The rows of a query, one after another.
class Query {
 public:
  Query(sqlite3* db, const char* sql) : db_(db) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db, sql, -1, &raw, nullptr) != SQLITE_OK) throw_sqlite(db, sql);
    statement_.reset(raw);
  }
  bool next() {
    const int code = sqlite3_step(statement_.get());
    if (code != SQLITE_ROW && code != SQLITE_DONE) throw_sqlite(db_, "read");
    return code == SQLITE_ROW;
  }
  int64_t number(int column) { return sqlite3_column_int64(statement_.get(), column); }
  std::string bytes(int column) {
    const void* const data = sqlite3_column_blob(statement_.get(), column);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
  }

 private:
  sqlite3* const db_;
  std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement_{nullptr, sqlite3_finalize};
};

}  // namespace

RecordedRun read_run(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> db(raw, sqlite3_close);
  if (code != SQLITE_OK) throw Invalid(format("{}: {}", path, sqlite3_errmsg(raw)));
  sqlite3_busy_timeout(raw, 10'000);
  RecordedRun run;
  Query of_run(raw, "SELECT id, config, status, exit_code FROM run");
  Query of_plan(raw, "SELECT config_text, plan FROM plan");
  if (!of_run.next() || !of_plan.next())
    throw Invalid(format("{}: the run ended before it had written down what it is", path));
  run.id = of_run.bytes(0);
  run.config = of_run.bytes(1);
  run.status = of_run.bytes(2);
  run.exit_code = static_cast<int>(of_run.number(3));
  run.config_text = of_plan.bytes(0);
  run.plan = of_plan.bytes(1);
  Query of_epoch(raw,
                 "SELECT number, final, visible, record FROM epoch ORDER BY number DESC LIMIT 1");
  if (of_epoch.next()) {
    run.epoch = static_cast<uint64_t>(of_epoch.number(0));
    run.final = of_epoch.number(1) != 0;
    run.visible = of_epoch.number(2) != 0;
    run.record = of_epoch.bytes(3);
  }
  Query of_applied(raw,
                   "SELECT sink, bytes, counts FROM applied WHERE epoch = (SELECT max(number) FROM "
                   "epoch)");
  while (of_applied.next()) {
    run.applied.push_back({static_cast<int>(of_applied.number(0)),
                           static_cast<uint64_t>(of_applied.number(1)), of_applied.bytes(2)});
  }
  return run;
}

}  // namespace towpath
