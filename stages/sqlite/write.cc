#include "stages/sqlite/write.h"

#include <fcntl.h>

#include <filesystem>

#include "towpath/base/ascii.h"
#include "towpath/base/format.h"
#include "towpath/message/json.h"

namespace towpath::sqlite {
namespace {

constexpr std::string_view kEpochs = "_towpath_epochs";
constexpr Millis kPatience{10'000};  // for another's transaction, when it is only about tidiness

std::string_view sql_type(Type type) {
  switch (type) {
    case Type::kBool:
    case Type::kInt:
      return "INTEGER";
    case Type::kFloat:
      return "REAL";
    case Type::kBinary:
      return "BLOB";
    case Type::kString:
    case Type::kDate:
    case Type::kTimestamp:
    case Type::kObject:
      return "TEXT";
  }
  return "";
}

// A table's name as a part of a file's.
std::string as_file_name(std::string_view table) {
  std::string name;
  for (const char c : table) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-';
    if (plain) {
      name += c;
    } else {
      name += format("%{:02x}", static_cast<unsigned char>(c));
    }
  }
  return name;
}

std::string columns_of(const Schema& schema) {
  std::string list;
  for (const Field& field : schema) list += (list.empty() ? "" : ", ") + sql_name(field.name);
  return list;
}

}  // namespace

StageSpec Write::describe() {
  return StageSpec("sqlite.write")
      .summary("Writes rows into a table of a SQLite database, all in one transaction.")
      .field(field("path", FieldKind::kPath)
                 .must()
                 .about("The database; it and its folder are made if they are not there. Several "
                        "stages may write it, each its own table."))
      .field(field("table", FieldKind::kString).must().not_empty().about("The table."))
      .field(choice_field("mode", {"create", "append", "replace"})
                 .default_value("create")
                 .about("create: the table must not be there yet; append: adds to it, or makes "
                        "it; replace: the new table takes the place of the old one."))
      .shares_file_by("table")
      .ignores_case()
      .example("sqlite.write: { path: out/sales.db, table: daily, mode: replace }");
}

Write::Write(const Settings& settings)
    : path_(settings.get_string("path")),
      table_(settings.get_string("table")),
      mode_(settings.get_string("mode")),
      run_(format("{} {}", settings.context().pipeline, settings.context().now_micros)),
      stage_(format("{}/{}", settings.context().stage, settings.context().step)),
      schema_(settings.input()),
      spool_(format("{}.{}.towpath.spool", path_, as_file_name(table_))) {
  if (table_.empty() || same_letters(table_, kEpochs) || lower(table_).starts_with("sqlite_") ||
      table_.find('\0') != table_.npos) {
    throw Invalid(format("sqlite.write: \"{}\" can't be a table's name", table_));
  }
}

// Finds what would make the commit fail, before any work is done.
void Write::open(Services& services, std::optional<std::string_view> position) {
  services_ = &services;
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  if (!folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw SystemError(format("mkdir({})", folder.string()), error.value());
  }
  if (!position && std::filesystem::exists(path_)) {
    Database database(path_, Database::Open::kExisting);
    check_table(database);
  }
  services.note_unfinished({spool_.path()});
  spool_.open(position.value_or(""));
}

void Write::check_table(Database& database) const {
  if (!database.has_table(table_)) return;
  if (mode_ == "create") {
    throw Invalid(
        format("{} has a table \"{}\" already; set mode: replace or append", path_, table_));
  }
  if (mode_ != "append") return;
  // With the table's name: else SQLite takes an unknown name in quotes for a text.
  std::string columns;
  for (const Field& field : schema_) {
    columns +=
        format("{}{}.{}", columns.empty() ? "" : ", ", sql_name(table_), sql_name(field.name));
  }
  database.prepare(format("SELECT {} FROM {}", columns, sql_name(table_)));
}

void Write::write(const Batch& in, Outputs&) { spool_.add(in); }

std::string Write::prepare(uint64_t, Outputs&) { return spool_.sync(); }

void Write::apply(uint64_t epoch, Outputs& rejects) {
  make_file();
  applying_ = std::make_unique<Applying>(Turn(path_), path_);
  Database& database = applying_->database;
  const int64_t last = last_epoch(database);
  if (last >= static_cast<int64_t>(epoch)) return;
  make_table(database, last < 0);
  insert(database, rejects);
  record_epoch(database, epoch);
}

void Write::commit(uint64_t epoch) {
  applying_->transaction.commit();
  applying_.reset();
  if (made_file_) services_->note_unfinished({spool_.path()});
  made_file_ = false;
  spool_.applied(epoch);
}

// A database that this run makes goes with it, unless something is committed in it.
void Write::make_file() {
  if (std::filesystem::exists(path_)) return;
  services_->note_unfinished({spool_.path(), path_, path_ + "-journal"});
  const UniqueFd made(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  made_file_ = static_cast<bool>(made);
  if (!made_file_) services_->note_unfinished({spool_.path()});  // somebody else was quicker
}

void Write::close() {
  if (spool_.is_open()) forget_epochs();
  spool_.remove();
}

void Write::discard() {
  // While the turn lasts: the next to have it may commit something there.
  if (applying_ && made_file_) {
    std::unique_ptr<Applying> applying = std::move(applying_);
    applying->transaction.roll_back();
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  applying_.reset();
  spool_.remove();
}

// The record of this run's epochs has served; who has it no more finds the database as it would
// have been without Towpath.
void Write::forget_epochs() noexcept {
  try {
    const std::optional<Turn> turn = Turn::try_take(path_, kPatience);
    if (!turn) return;
    Database database(path_, Database::Open::kExisting);
    database.run("PRAGMA secure_delete = ON");  // the same bytes each time, whatever the run's name
    Transaction transaction(database);
    Statement remove =
        database.prepare(format("DELETE FROM {} WHERE run = ? AND stage = ?", kEpochs));
    remove.bind_text(1, run_);
    remove.bind_text(2, stage_);
    remove.step();
    remove.reset();
    const bool used = database.prepare(format("SELECT 1 FROM {}", kEpochs)).step();
    if (!used) database.run(format("DROP TABLE {}", kEpochs));
    transaction.commit();
  } catch (const Error&) {
    // The rows are all there: a line too many in that table hurts nobody.
  }
}

// The last epoch of this run that the database has; -1: none.
int64_t Write::last_epoch(Database& database) const {
  if (!database.has_table(kEpochs)) return -1;
  Statement find =
      database.prepare(format("SELECT epoch FROM {} WHERE run = ? AND stage = ?", kEpochs));
  find.bind_text(1, run_);
  find.bind_text(2, stage_);
  return find.step() ? find.integer(0) : -1;
}

void Write::record_epoch(Database& database, uint64_t epoch) const {
  database.run(
      format("CREATE TABLE IF NOT EXISTS {} (run TEXT, stage TEXT, epoch INTEGER, PRIMARY KEY "
             "(run, stage))",
             kEpochs));
  Statement record =
      database.prepare(format("INSERT OR REPLACE INTO {} VALUES (?, ?, ?)", kEpochs));
  record.bind_text(1, run_);
  record.bind_text(2, stage_);
  record.bind(3, static_cast<int64_t>(epoch));
  record.step();
}

void Write::make_table(Database& database, bool first_commit) const {
  if (first_commit) {
    check_table(database);
    if (mode_ == "replace") database.run("DROP TABLE IF EXISTS " + sql_name(table_));
  }
  if (database.has_table(table_)) return;
  std::string columns;
  for (const Field& field : schema_) {
    columns +=
        format("{}{} {}", columns.empty() ? "" : ", ", sql_name(field.name), sql_type(field.type));
  }
  database.run(format("CREATE TABLE {} ({})", sql_name(table_), columns));
}

void Write::insert(Database& database, Outputs& rejects) {
  std::string values = "?";
  for (size_t i = 1; i < schema_.size(); ++i) values += ", ?";
  Statement insert = database.prepare(
      format("INSERT INTO {} ({}) VALUES ({})", sql_name(table_), columns_of(schema_), values));
  spool_.read([&](const Batch& batch) {
    for (int64_t row = 0; row < batch.rows(); ++row) {
      bind(insert, batch, row);
      try {
        insert.step();
      } catch (const DatabaseError& error) {
        if (!error.constraint()) throw;
        rejects.reject(batch, row, error.what());
      }
      insert.reset();
    }
    services_->stop_point();
  });
}

void Write::bind(Statement& insert, const Batch& in, int64_t row) {
  texts_.resize(schema_.size());
  for (size_t i = 0; i < schema_.size(); ++i) {
    const Column& column = in.column(i);
    const int parameter = static_cast<int>(i) + 1;
    std::string& text = texts_[i];
    text.clear();
    if (column.is_null(row)) {
      insert.bind_null(parameter);
      continue;
    }
    switch (column.type) {
      case Type::kBool:
        insert.bind(parameter, int64_t{column.bool_at(row)});
        break;
      case Type::kInt:
        insert.bind(parameter, column.int_at(row));
        break;
      case Type::kFloat:
        insert.bind(parameter, column.float_at(row));  // SQLite keeps NaN as NULL
        break;
      case Type::kString:
        insert.bind_text(parameter, column.text_at(row));
        break;
      case Type::kBinary:
        insert.bind_blob(parameter, column.text_at(row));
        break;
      case Type::kDate:
        append_date(text, column.date_at(row));
        insert.bind_text(parameter, text);
        break;
      case Type::kTimestamp:
        append_timestamp(text, column.int_at(row));
        insert.bind_text(parameter, text);
        break;
      case Type::kObject:
        text = to_json(in.value(row, i));
        insert.bind_text(parameter, text);
        break;
    }
  }
}

TOWPATH_STAGE(Write)

}  // namespace towpath::sqlite
