#pragma once
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/config/document.h"
#include "towpath/coordinator/coordinator.h"
#include "towpath/message/batch.h"
#include "towpath/message/object.h"
#include "towpath/stage/stage.h"

// Pipelines inside a C++ program:
//
//   Pipeline pipeline("words");
//   auto text = pipeline.add("text.read", {{"path", "a.txt"}});
//   auto words = pipeline.add("text.words").from(text);
//   for (const Row& row : pipeline.rows(words)) std::cout << row.get<std::string>("word") << '\n';
//
// Stages of the program itself (TOWPATH_STAGE in one of its files) are known by their kinds like
// any other.
//
// Errors     run() and rows() throw Invalid with all that is wrong with the pipeline, before
//            anything starts, and Error with the run's message when it fails.
// Processes  towpath::init must be the first statement of main. The coordinator is a child process
//            of the program, so the program's threads, signals and memory are its own.
// Threads    one object, one thread.

namespace towpath {

class Pipeline {
 public:
  explicit Pipeline(const std::string& name);
  // The YAML file as it stands; stages can be added.
  static Pipeline load(const std::string& path);

  using Fields = std::vector<std::pair<std::string, Object>>;

  // One stage of the pipeline: a name to hand to from() and rows().
  class Stage {
   public:
    Stage& from(const Stage& other);  // again: fan-in
    Stage& workers(int count);
    Stage& option(std::string_view name, const Object& value);
    const std::string& name() const { return name_; }

   private:
    friend class Pipeline;
    Stage(Pipeline& pipeline, std::string name) : pipeline_(&pipeline), name_(std::move(name)) {}
    Pipeline* pipeline_;
    std::string name_;
  };

  Stage add(std::string_view kind, const Fields& fields = {});
  // The main field alone: add("filter", "qty > 0").
  Stage add(std::string_view kind, const char* main_field);
  // A stage that load() read.
  Stage stage(std::string_view name);
  Pipeline& param(std::string_view name, const Object& value);
  Pipeline& option(std::string_view name, const Object& value);  // memory, cores, max_rejects, …

  // Runs to the end. The result of a run with rejects has exit code 3.
  RunResult run();

  class Rows;
  // Runs, and hands over the rows of `stage` while they come. The range is read once; breaking off
  // stops the run.
  Rows rows(const Stage& stage);

 private:
  friend class Stage;
  explicit Pipeline(Document document) : document_(std::move(document)) {}
  Node& stage_node(std::string_view name);
  std::string unused_name(std::string_view kind);

  Document document_;  // as if it were read from YAML; what the program adds has no place in a file
};

// The rows of a running pipeline: an input range.
class Pipeline::Rows {
 public:
  Rows(Rows&&) noexcept;
  ~Rows();

  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using difference_type = std::ptrdiff_t;
    using value_type = Row;
    Iterator() = default;
    const Row& operator*() const { return *row_; }
    Iterator& operator++() {
      advance();
      return *this;
    }
    void operator++(int) { advance(); }
    bool operator==(std::default_sentinel_t) const { return !row_; }

   private:
    friend class Rows;
    explicit Iterator(Rows& rows) : rows_(&rows) { advance(); }
    void advance();
    Rows* rows_ = nullptr;
    std::optional<Row> row_;  // of the batch that the Rows keep
  };
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }
  // Of the run; after the last row was read.
  const RunResult& result() const;

 private:
  friend class Pipeline;
  struct State;
  explicit Rows(std::unique_ptr<State> state);
  std::optional<Row> next_row();
  bool connect();
  bool next_batch();
  std::unique_ptr<State> state_;
};

}  // namespace towpath
