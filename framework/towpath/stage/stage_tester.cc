#include "towpath/stage/stage_tester.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/config/check.h"
#include "towpath/config/document.h"
#include "towpath/expr/key_hash.h"
#include "towpath/message/codec.h"
#include "towpath/stage/schema_rules.h"

namespace towpath {
namespace {

constexpr int kIdleLimit = 10'000;  // ms that a source may have nothing to read

// Thrown out of process() by a part, where the test has the worker die. Not an exception that a
// stage catches.
struct Died {};

struct Where {
  std::string file;
  int64_t line, byte;
  bool operator==(const Where&) const = default;
};

// All that a stage put out.
class Gathered final : public BatchConsumer {
 public:
  StageTester::Rows rows;
  std::vector<Where> positions;
  std::vector<StageTester::RejectRow> rejects;
  std::optional<std::string> cursor;  // of the last part
  bool die_after_part = false;

  void consume(int number, BatchBuilder& builder) override {
    const Batch batch = builder.to_batch();
    for (int64_t row = 0; row < batch.rows(); ++row) {
      if (number == kRejects) {
        const auto number_at = [&batch, row](std::string_view name) {
          return batch.column(name).is_null(row) ? 0 : batch.ints(name)[row];
        };
        rejects.push_back({std::string(batch.strings("file")[row]), number_at("line"),
                           number_at("byte"), std::string(batch.strings("reason")[row]),
                           std::string(batch.strings("raw")[row])});
      } else {
        rows.push_back(object_row(batch, row));
        const SourcePosition at = batch.position(row);
        positions.push_back({std::string(at.file), at.line, at.byte});
      }
    }
  }

  void part(std::string_view at) override {
    if (cursor == at) throw Bug(format("part() was called twice with the cursor \"{}\"", at));
    cursor = std::string(at);
    if (die_after_part) throw Died{};
  }

  StageTester::Result result() && {
    auto files = std::make_shared<std::vector<std::string>>();
    for (const Where& each : positions) files->push_back(each.file);
    StageTester::Result result;
    for (size_t i = 0; i < positions.size(); ++i) {
      result.positions.push_back({(*files)[i], positions[i].line, positions[i].byte});
    }
    result.files = std::move(files);
    result.rows = std::move(rows);
    result.rejects = std::move(rejects);
    return result;
  }
};

// Rows are the same when their bytes are: -0 is not 0, and a NaN is itself.
std::string key(const StageTester::TestRow& row) { return to_bytes(row); }
std::string key(const Where& at) { return format("{}:{} byte {}", at.file, at.line, at.byte); }
std::string key(const StageTester::RejectRow& r) {
  return format("{}:{} byte {}: {}: {}", r.file, r.line, r.byte, r.reason, r.raw);
}
std::string show(const StageTester::TestRow& row) { return show_row(row); }
std::string show(const Where& at) { return key(at); }
std::string show(const StageTester::RejectRow& reject) { return key(reject); }

template <class T>
void expect_same(const std::vector<T>& expected, const std::vector<T>& found, std::string_view what,
                 std::string_view how) {
  for (size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
    const bool both = i < expected.size() && i < found.size();
    if (both && key(expected[i]) == key(found[i])) continue;
    throw Bug(format("with {}, {} {} is {}, but with batches of 4096 it is {}", how, what, i,
                     i < found.size() ? show(found[i]) : "missing",
                     i < expected.size() ? show(expected[i]) : "missing"));
  }
}

void expect_same(const Gathered& expected, const Gathered& found, std::string_view how) {
  expect_same(expected.rows, found.rows, "row", how);
  expect_same(expected.positions, found.positions, "the position of row", how);
  expect_same(expected.rejects, found.rejects, "reject", how);
}

void sort(Gathered& gathered) {
  const auto by_key = [](const auto& a, const auto& b) { return key(a) < key(b); };
  std::sort(gathered.rows.begin(), gathered.rows.end(), by_key);
  std::sort(gathered.rejects.begin(), gathered.rejects.end(), by_key);
  gathered.positions.clear();
}

class TestServices final : public Services {
 public:
  ~TestServices() override {
    for (const std::string& file : files_) ::unlink(file.c_str());
  }
  Counter& counter(std::string_view name) override { return counters_[std::string(name)]; }
  std::string temp_file() override {
    const char* folder = std::getenv("TMPDIR");
    std::string path = format("{}/towpath-test-XXXXXX", folder != nullptr ? folder : "/tmp");
    const int fd = ::mkstemp(path.data());
    if (fd < 0) throw_errno(format("mkstemp({})", path));
    ::close(fd);
    return files_.emplace_back(std::move(path));
  }

 private:
  std::map<std::string, Counter> counters_;
  std::vector<std::string> files_;
};

// How the rows are fed.
struct Way {
  uint64_t batch_rows = 4096;
  bool restores = false;  // every commit is followed by a save and a restore
  bool dies = false;      // every part is followed by a death
  uint64_t partitions = ~uint64_t{0};

  std::string show() const {
    return format("batches of {}{}{}", batch_rows,
                  restores ? ", saved and restored after each" : "",
                  dies ? ", redelivered after every part" : "");
  }
};

}  // namespace

struct StageTester::State {
  StageEntry entry;
  StageSpec spec;
  Object values;
  std::vector<Schema> inputs;
  std::vector<std::pair<std::string, Object>> params;
  Document document;
  Node fields;  // the node of the stage's fields
  std::optional<Schema> output;
  TestServices services;

  State(StageEntry stage, std::string_view yaml) : entry(stage), spec(entry.describe()) {
    document = Document::parse("test", std::string(yaml));
    const Node& root = document.root();
    if (document.ok() && (root.kind != Node::Kind::kMap || root.entries.size() != 1 ||
                          root.entries.front().first.text != spec.kind())) {
      document.add(root, format("a test of {} begins with \"{}:\"", spec.kind(), spec.kind()));
    }
    throw_problems();
    fields = root.entries.front().second;
    values = check_fields(document, fields, spec.fields(), spec.main_field(), what());
    throw_problems();
  }

  std::string what() const { return format("stage \"{}\"", spec.kind()); }

  void throw_problems() const {
    if (!document.ok()) throw Invalid(document.show_problems());
  }

  Settings settings(const Way& way) const {
    Settings::Context context;
    context.pipeline = "test";
    context.stage = spec.kind();
    context.inputs = inputs;
    if (output) context.output = *output;
    context.params = params;
    context.now_micros = 1'700'000'000'000'000;
    context.seed = 1;
    context.batch_rows = way.batch_rows;
    context.partitions = way.partitions;
    return Settings(values, std::move(context));
  }

  const Schema& columns() {
    if (output) return *output;
    const Bindings bindings = settings({}).bindings();
    for (const FieldError& error : check_columns(spec, values, inputs, bindings)) {
      document.add(problem_of(error, spec, fields, what()));
    }
    throw_problems();
    output = derive_output(spec, values, inputs, bindings, [this] {
      if (entry.detect == nullptr) throw Bug(format("{} has no detect()", what()));
      return entry.detect(settings({}));
    });
    return *output;
  }

  std::vector<Outputs::Named> outputs() {
    if (spec.role() == Role::kSink) return {};
    return {{"", columns()}};
  }

  template <class T>
  std::unique_ptr<T> make(std::unique_ptr<T> (*maker)(const Settings&), const Way& way) {
    if (maker == nullptr) throw Bug(format("{} is not of the kind that this test is for", what()));
    columns();
    return maker(settings(way));
  }

  std::unique_ptr<Stage> make_stage(const Way& way) {
    std::unique_ptr<Stage> stage = make(entry.make_stage, way);
    const bool stateful = dynamic_cast<Stateful*>(stage.get()) != nullptr;
    if (stateful != spec.is_stateful()) {
      throw Bug(format("{}: its spec says it {} stateful, its class says otherwise", what(),
                       spec.is_stateful() ? "is" : "isn't"));
    }
    stage->open(services);
    return stage;
  }

  // The stage as it is after a rewind to here.
  std::unique_ptr<Stage> reborn(Stage& stage, const Way& way) {
    std::unique_ptr<Stage> fresh = make_stage(way);
    for (int partition = 0; partition < kPartitions; ++partition) {
      Encoder state;
      dynamic_cast<Stateful&>(stage).save(partition, state);
      if (state.bytes().empty()) continue;
      Decoder saved(state.bytes());
      dynamic_cast<Stateful&>(*fresh).restore(partition, saved);
      if (!saved.at_end())
        throw Bug(format("{}: restore() left {} bytes", what(), saved.rest().size()));
    }
    return fresh;
  }

  // The batches of one input.
  std::vector<Batch> batches(const Rows& rows, size_t port, const Way& way) {
    if (port >= inputs.size()) throw Bug(format("{} has no input {}", what(), port));
    const std::string file = port == 0 ? "in" : format("in{}", port + 1);
    std::vector<Batch> all;
    for (size_t first = 0; first < rows.size(); first += way.batch_rows) {
      const size_t count = std::min<size_t>(way.batch_rows, rows.size() - first);
      Batch batch = batch_of_rows(inputs[port], std::span(rows).subspan(first, count), file,
                                  static_cast<int64_t>(first) + 1);
      if (!spec.key_field().empty()) batch = batch.with_partitions(partitions_of(batch));
      all.push_back(batch.leased(static_cast<int>(port), "", static_cast<int64_t>(first)));
    }
    return all;
  }

  std::vector<uint8_t> partitions_of(const Batch& batch) {
    std::vector<uint8_t> partitions(static_cast<size_t>(batch.rows()));
    const std::vector<std::string> names = settings({}).get_strings(spec.key_field());
    if (names.empty()) return partitions;
    partition_rows(batch, names, partitions);
    return partitions;
  }

  // One batch, until it is done: again from the cursor after each death.
  void lease(std::unique_ptr<Stage>& stage, const Batch& batch, Outputs& out, Gathered& gathered,
             const Way& way) {
    gathered.cursor.reset();
    for (;;) {
      const Batch leased =
          batch.leased(batch.port(), gathered.cursor.value_or(""), batch.first_row());
      try {
        out.begin(leased);
        Batch rows = leased;
        if (const auto* stateful = dynamic_cast<const Stateful*>(stage.get())) {
          rows = validated(*stateful, leased, out);
          out.begin(rows);
        }
        stage->process(rows, out);
        out.flush();
        return;
      } catch (const Died&) {
        stage = make_stage(way);
      }
    }
  }

  void feed(const std::vector<Rows>& ports, const Way& way, Gathered& gathered) {
    gathered.die_after_part = way.dies;
    std::unique_ptr<Stage> stage = make_stage(way);
    Outputs out(spec.kind(), outputs(), way.batch_rows, gathered);
    std::vector<std::vector<Batch>> inputs_left;
    for (size_t port = 0; port < ports.size(); ++port) {
      inputs_left.push_back(batches(ports[port], port, way));
      std::reverse(inputs_left.back().begin(), inputs_left.back().end());
    }
    std::vector<bool> open(ports.size(), true);
    for (;;) {
      const auto first_open =
          static_cast<int>(std::find(open.begin(), open.end(), true) - open.begin());
      if (first_open == static_cast<int>(open.size())) return;
      if (way.restores) stage = reborn(*stage, way);
      const int port = stage->next_port().value_or(first_open);
      if (port < 0 || port >= static_cast<int>(open.size()) || !open[static_cast<size_t>(port)]) {
        throw Bug(format("{}: next_port() is {}, which has ended or does not exist", what(), port));
      }
      std::vector<Batch>& left = inputs_left[static_cast<size_t>(port)];
      if (!left.empty()) {
        lease(stage, left.back(), out, gathered, way);
        left.pop_back();
      } else {
        out.begin();
        open[static_cast<size_t>(port)] = stage->finish(port, out);
        out.flush();
      }
    }
  }

  Result run(const std::vector<Rows>& ports) {
    Gathered whole;
    feed(ports, {}, whole);
    std::vector<Way> ways;
    for (const uint64_t size : {4096u, 7u, 1u}) {
      if (size != 4096) ways.push_back({.batch_rows = size});
      if (spec.is_stateful()) ways.push_back({.batch_rows = size, .restores = true});
      if (spec.is_reader()) ways.push_back({.batch_rows = size, .dies = true});
    }
    for (const Way& way : ways) {
      Gathered again;
      feed(ports, way, again);
      expect_same(whole, again, way.show());
    }
    if (!spec.key_field().empty()) check_members(ports, whole);
    return std::move(whole).result();
  }

  // Two members, each with half of the partitions. In which order their rows meet is the merge's
  // business.
  void check_members(const std::vector<Rows>& ports, Gathered whole) {
    constexpr uint64_t kEven = 0x5555555555555555;
    Gathered members;
    feed(ports, {.partitions = kEven}, members);
    feed(ports, {.partitions = ~kEven}, members);
    sort(whole);
    sort(members);
    expect_same(whole, members, "two members, and all sorted");
  }

  void read(const Way& way, bool restarts, Gathered& gathered) {
    std::unique_ptr<Source> source = make(entry.make_source, way);
    source->open(services, std::nullopt);
    Outputs out(spec.kind(), outputs(), way.batch_rows, gathered);
    for (;;) {
      out.begin();
      const Source::Read read = source->read(out);
      out.flush();
      if (read.state == Source::Read::kEnd) return;
      if (read.state == Source::Read::kIdle) await(*source);
      if (restarts && read.state == Source::Read::kMore) {
        source = make(entry.make_source, way);
        source->open(services, read.token);
      }
    }
  }

  void await(Source& source) {
    pollfd wait{source.wait_fd(), POLLIN, 0};
    if (wait.fd < 0) throw Bug(format("{} is idle, but has no wait_fd()", what()));
    if (::poll(&wait, 1, kIdleLimit) <= 0)
      throw Timeout(format("{}: nothing to read in 10 s", what()));
  }

  Result write(const Rows& rows, const Way& way, bool epochs) {
    Gathered gathered;
    Outputs out(spec.kind(), {}, way.batch_rows, gathered);
    std::unique_ptr<Sink> sink = make(entry.make_sink, way);
    sink->open(services, std::nullopt);
    uint64_t epoch = 0;
    const auto commit = [&](bool die) {
      out.begin();
      const std::string position = sink->prepare(++epoch, out);
      if (die) {
        sink = make(entry.make_sink, way);
        sink->open(services, position);
      }
      out.begin();
      sink->apply(epoch, out);
      sink->commit(epoch);
      out.flush();
    };
    for (const Batch& batch : batches(rows, 0, way)) {
      out.begin(batch);
      sink->write(batch, out);
      out.flush();
      if (epochs) commit(true);
    }
    commit(false);
    sink->close();
    return std::move(gathered).result();
  }
};

StageTester::StageTester(StageEntry entry, std::string_view yaml, Schema input,
                         std::vector<Schema> more_inputs)
    : state_(std::make_shared<State>(entry, yaml)) {
  if (state_->spec.role() != Role::kSource) state_->inputs.push_back(std::move(input));
  for (Schema& each : more_inputs) state_->inputs.push_back(std::move(each));
  if (yaml.find('$') == yaml.npos) state_->columns();
}

StageTester& StageTester::param(std::string_view name, Object value) {
  state_->params.emplace_back(name, std::move(value));
  return *this;
}

StageTester::Result StageTester::run(const Rows& rows) { return state_->run({rows}); }

StageTester::Result StageTester::run_ports(const std::vector<Rows>& ports) {
  return state_->run(ports);
}

StageTester::Result StageTester::read(uint64_t batch_rows) {
  const Way way{.batch_rows = batch_rows};
  Gathered whole, again;
  state_->read(way, false, whole);
  state_->read(way, true, again);
  expect_same(whole, again, "a fresh source after every read");
  return std::move(whole).result();
}

StageTester::Result StageTester::write(const Rows& rows, uint64_t batch_rows) {
  return state_->write(rows, {.batch_rows = batch_rows}, false);
}

StageTester::Result StageTester::write_in_epochs(const Rows& rows, uint64_t batch_rows) {
  return state_->write(rows, {.batch_rows = batch_rows}, true);
}

const Schema& StageTester::output() const { return state_->columns(); }

}  // namespace towpath
