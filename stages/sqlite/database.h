#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"

struct sqlite3;
struct sqlite3_stmt;

namespace towpath::sqlite {

// What SQLite refuses; `constraint()`: because of a row's values.
class DatabaseError : public Error {
 public:
  DatabaseError(int code, const std::string& message) : Error(message), code_(code) {}
  bool constraint() const;

 private:
  int code_;
};

// A name as SQL takes it, whatever it holds: "odd ""name""".
std::string sql_name(std::string_view name);

class Statement;

// One connection. It waits half a minute for others that write.
class Database {
 public:
  enum class Open { kExisting, kOrCreate };
  // kExisting: DatabaseError when there is no such file, or it can't be written. What a killed
  // writer has left half done is rolled back.
  Database(const std::string& path, Open how);
  ~Database();
  Database(const Database&) = delete;

  void run(const std::string& sql);
  Statement prepare(const std::string& sql);
  bool has_table(std::string_view table);
  // Throws the connection's last error, as `code`.
  [[noreturn]] void fail(int code, std::string_view doing) const;

 private:
  std::string path_;
  sqlite3* connection_ = nullptr;
};

// A prepared statement; parameters count from 1, columns from 0.
class Statement {
 public:
  Statement(Database& database, sqlite3_stmt* statement)
      : database_(&database), statement_(statement) {}
  ~Statement();
  Statement(const Statement&) = delete;

  void bind_null(int parameter);
  void bind(int parameter, int64_t value);
  void bind(int parameter, double value);
  void bind_text(int parameter, std::string_view value);  // `value` must live until step() is done
  void bind_blob(int parameter, std::string_view value);
  bool step();   // true: a row is there
  void reset();  // for the next run
  int64_t integer(int column) const;
  std::string text(int column) const;

 private:
  void check(int code);

  Database* database_;
  sqlite3_stmt* statement_;
};

// Sinks that write tables of one database come one after another, however long each takes: a
// Database waits for strangers, but not for ever. Made before the Database and gone after it,
// because closing any descriptor of the file drops the locks that SQLite has on it.
class Turn {
 public:
  explicit Turn(const std::string& path);  // waits
  // None: it is another's for all that time.
  static std::optional<Turn> try_take(const std::string& path, Millis patience = Millis{0});

 private:
  explicit Turn(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

// A write transaction; without commit() nothing of it stays.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {
    database_.run("BEGIN IMMEDIATE");
  }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  void commit() {
    database_.run("COMMIT");
    done_ = true;
  }
  void roll_back() noexcept;

 private:
  Database& database_;
  bool done_ = false;
};

}  // namespace towpath::sqlite
