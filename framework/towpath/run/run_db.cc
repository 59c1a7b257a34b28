#include "towpath/run/run_db.h"

#include <sqlite3.h>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <variant>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/make_thread.h"

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
      "CREATE TABLE run(id TEXT, pipeline TEXT, config TEXT, started INT, ended INT, status TEXT,"
      " exit_code INT, message TEXT);"
      "CREATE TABLE plan(config_text TEXT, plan BLOB);"
      "CREATE TABLE ledger(stage TEXT, workers INT, restarts INT, leases INT, rows_in INT, "
      "rows_out INT,"
      " filtered INT, rejected INT, bytes INT);"
      "CREATE TABLE event(time INT, stage TEXT, worker TEXT, what TEXT)");
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
    if (error && !error_) error_ = error;
    changed_.notify_all();
  }
}

void RunDb::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return jobs_.empty() && !busy_; });
  if (error_) std::rethrow_exception(error_);
}

void RunDb::begin(const std::string& id, const std::string& pipeline, const std::string& config,
                  const std::string& config_text, const std::string& plan) {
  write([=, this] {
    execute("BEGIN");
    insert(db_, "INSERT INTO run(id, pipeline, config, started, status) VALUES(?,?,?,?,'running')",
           {id, pipeline, config, now_micros()});
    insert(db_, "INSERT INTO plan VALUES(?, CAST(? AS BLOB))", {config_text, plan});
    execute("COMMIT");
  });
}

void RunDb::event(const std::string& stage, const std::string& worker, const std::string& text) {
  write([=, this] {
    insert(db_, "INSERT INTO event VALUES(?,?,?,?)", {now_micros(), stage, worker, text});
  });
}

void RunDb::end(const std::string& status, int exit_code, const std::string& message,
                const std::vector<StageRow>& ledger) {
  write([=, this] {
    execute("BEGIN");
    for (const StageRow& row : ledger) {
      insert(db_, "INSERT INTO ledger VALUES(?,?,?,?,?,?,?,?,?)",
             {row.name, row.workers, row.restarts, row.leases, row.in, row.out, row.filtered,
              row.rejected, row.bytes});
    }
    insert(db_, "UPDATE run SET ended=?, status=?, exit_code=?, message=?",
           {now_micros(), status, int64_t{exit_code}, message});
    execute("COMMIT");
  });
}

}  // namespace towpath
