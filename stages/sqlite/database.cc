#include "stages/sqlite/database.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "towpath/base/file_lock.h"
#include "towpath/base/format.h"

namespace towpath::sqlite {
namespace {

constexpr int kPatienceMillis = 30'000;

UniqueFd open_for_turn(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!file) throw_errno(format("open({})", path));
  return file;
}

}  // namespace

bool DatabaseError::constraint() const { return (code_ & 0xff) == SQLITE_CONSTRAINT; }

std::string sql_name(std::string_view name) {
  std::string result = "\"";
  for (const char c : name) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

Database::Database(const std::string& path, Open how) : path_(path) {
  const int flags = SQLITE_OPEN_READWRITE | (how == Open::kExisting ? 0 : SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(path.c_str(), &connection_, flags, nullptr);
  if (code != SQLITE_OK) {
    const std::string why = connection_ ? sqlite3_errmsg(connection_) : sqlite3_errstr(code);
    sqlite3_close(connection_);
    throw DatabaseError(code, format("{}: {}", path, why));
  }
  sqlite3_extended_result_codes(connection_, 1);
  sqlite3_busy_timeout(connection_, kPatienceMillis);
  // SQLite opens for reading what can't be written, and would say so at the first row.
  if (sqlite3_db_readonly(connection_, "main") == 1) {
    sqlite3_close(connection_);
    throw DatabaseError(SQLITE_READONLY, format("{}: no permission to write this database", path));
  }
}

Database::~Database() { sqlite3_close(connection_); }

void Database::run(const std::string& sql) {
  const int code = sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
}

Statement Database::prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(connection_, sql.c_str(), static_cast<int>(sql.size()),
                                      &statement, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
  return Statement(*this, statement);
}

bool Database::has_table(std::string_view table) {
  // Names are compared as SQLite compares them: A is a.
  Statement find = prepare(
      "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE");
  find.bind_text(1, table);
  return find.step();
}

void Database::fail(int code, std::string_view doing) const {
  if ((code & 0xff) == SQLITE_BUSY) {
    throw DatabaseError(code, format("{}: another process kept the database locked for {} s", path_,
                                     kPatienceMillis / 1000));
  }
  throw DatabaseError(code, format("{}: {}{}{}", path_, sqlite3_errmsg(connection_),
                                   doing.empty() ? "" : ": ", doing));
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::check(int code) {
  if (code != SQLITE_OK) database_->fail(code, "");
}

void Statement::bind_null(int parameter) { check(sqlite3_bind_null(statement_, parameter)); }
void Statement::bind(int parameter, int64_t value) {
  check(sqlite3_bind_int64(statement_, parameter, value));
}
void Statement::bind(int parameter, double value) {
  check(sqlite3_bind_double(statement_, parameter, value));
}
void Statement::bind_text(int parameter, std::string_view value) {
  check(sqlite3_bind_text64(statement_, parameter, value.data() ? value.data() : "", value.size(),
                            SQLITE_STATIC, SQLITE_UTF8));
}
void Statement::bind_blob(int parameter, std::string_view value) {
  check(sqlite3_bind_blob64(statement_, parameter, value.data() ? value.data() : "", value.size(),
                            SQLITE_STATIC));
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) database_->fail(code, "");
  return code == SQLITE_ROW;
}

// An error of the step before was told already.
void Statement::reset() { sqlite3_reset(statement_); }

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<size_t>(size));
}

// flock and SQLite's own locks don't see each other.
Turn::Turn(const std::string& path) : file_(open_for_turn(path)) {
  lock_file(file_, FileLock::kExclusive, path);
}

std::optional<Turn> Turn::try_take(const std::string& path, Millis patience) {
  constexpr Millis kPause{5};  // flock has no time-out of its own
  UniqueFd file = open_for_turn(path);
  for (const Deadline deadline(patience);;) {
    if (try_lock_file(file, FileLock::kExclusive, path)) return Turn(std::move(file));
    if (deadline.passed()) return std::nullopt;
    std::this_thread::sleep_for(std::min(kPause, deadline.left()));
  }
}

Transaction::~Transaction() { roll_back(); }

void Transaction::roll_back() noexcept {
  if (std::exchange(done_, true)) return;
  try {
    database_.run("ROLLBACK");
  } catch (const Error&) {
    // SQLite has rolled back by itself, or does so when the connection closes.
  }
}

}  // namespace towpath::sqlite
