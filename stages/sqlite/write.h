#pragma once
#include <memory>
#include <string>
#include <vector>

#include "stages/sqlite/database.h"
#include "stages/sqlite/spool.h"
#include "towpath/stage/stage.h"

namespace towpath::sqlite {

// Writes rows into a table of a SQLite database. Until an epoch is prepared its rows lie in a spool
// beside the database; then they go in with one transaction, which also records the epoch, so that
// a commit done twice adds nothing twice. Rows that the table refuses become rejects.
//
// The transaction is open from apply() to commit(), which is then done in no time. Of a database's
// writers one can have it open: the others wait for their turn in apply().
class Write final : public Sink {
 public:
  static StageSpec describe();
  explicit Write(const Settings& settings);
  void open(Services& services, std::optional<std::string_view> position) override;
  void write(const Batch& in, Outputs& rejects) override;
  std::string prepare(uint64_t epoch, Outputs& rejects) override;
  void apply(uint64_t epoch, Outputs& rejects) override;
  void commit(uint64_t epoch) override;
  void close() override;
  void discard() override;

 private:
  // A transaction on its way.
  struct Applying {
    Applying(Turn mine, const std::string& path)
        : turn(std::move(mine)), database(path, Database::Open::kOrCreate), transaction(database) {}
    Turn turn;  // outlives the database
    Database database;
    Transaction transaction;
  };
  void make_file();
  void forget_epochs() noexcept;
  void check_table(Database& database) const;
  int64_t last_epoch(Database& database) const;
  void record_epoch(Database& database, uint64_t epoch) const;
  void make_table(Database& database, bool first_commit) const;
  void insert(Database& database, Outputs& rejects);
  void bind(Statement& insert, const Batch& in, int64_t row);

  const std::string path_, table_, mode_;
  const std::string run_, stage_;  // who writes, in the record of epochs
  const Schema schema_;
  Spool spool_;
  Services* services_ = nullptr;
  std::unique_ptr<Applying> applying_;
  bool made_file_ = false;          // by this object, and nothing is committed in it
  std::vector<std::string> texts_;  // of the row being bound
};

}  // namespace towpath::sqlite
