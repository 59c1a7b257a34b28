#pragma once
#include <string>
#include <vector>

#include "stages/sqlite/database.h"
#include "stages/sqlite/spool.h"
#include "towpath/stage/stage.h"

namespace towpath::sqlite {

// Writes rows into a table of a SQLite database. Until an epoch is committed its rows lie in a
// spool beside the database, which does not change at all; then they come in with one transaction,
// which also records the epoch, so that a commit done twice adds nothing twice. Rows that the table
// refuses become rejects.
class Write final : public Sink {
 public:
  static StageSpec describe();
  explicit Write(const Settings& settings);
  std::vector<std::string> unfinished_files() const override { return {spool_.path()}; }
  void open(Services& services, std::optional<std::string_view> position) override;
  void write(const Batch& in, Outputs& rejects) override;
  std::string prepare(uint64_t epoch) override;
  void commit(uint64_t epoch, Outputs& rejects) override;
  void close() override;
  void discard() override;

 private:
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
  std::vector<std::string> texts_;  // of the row being bound
};

}  // namespace towpath::sqlite
