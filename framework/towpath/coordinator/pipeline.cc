#include "towpath/coordinator/pipeline.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/session.h"
#include "towpath/base/unique_fd.h"
#include "towpath/base/write_all.h"
#include "towpath/coordinator/planning.h"
#include "towpath/host/host.h"
#include "towpath/message/json.h"
#include "towpath/process/keeper.h"
#include "towpath/process/process.h"

namespace towpath {
namespace {

constexpr uint64_t kMaxImage = uint64_t{2} << 30;

// What the coordinator's process tells the program at its end.
struct Outcome {
  std::string error;  // it could not even begin
  int exit_code = 0;
  std::string message, folder;
  bool resumable = false;
  std::string rejects;
  Snapshot ledger;
  TOWPATH_FIELDS(error, exit_code, message, folder, resumable, rejects, ledger)
};

void coordinate(const std::string& plan, const std::string& runs, Descriptor out) {
  const UniqueFd fd(out.fd);
  Outcome outcome;
  try {
    RunOptions options;
    options.runs = runs;
    RunResult result = run_plan(from_bytes<Plan>(plan), options);
    outcome = {"",
               result.exit_code,
               std::move(result.message),
               std::move(result.folder),
               result.resumable,
               std::move(result.rejects),
               std::move(result.ledger)};
  } catch (const std::exception& error) {
    outcome.error = error.what();
  }
  write_all(fd.get(), to_bytes(outcome), "the run's outcome");
}

// The coordinator as a child of the program.
class Running {
 public:
  explicit Running(const Plan& plan) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe2");
    outcome_.reset(ends[0]);
    const UniqueFd theirs(ends[1]);
    Options options;
    options.name = plan.pipeline;
    options.daemon = true;
    process_.emplace(options, coordinate, to_bytes(plan), std::string(".towpath/runs"),
                     Descriptor{theirs.get()});
    process_->start();
  }

  int sentinel() const { return process_->sentinel(); }
  void stop() { process_->terminate(); }

  // Waits for the end.
  RunResult result() {
    std::string bytes;
    char piece[65536];
    while (true) {
      const ssize_t got = ::read(outcome_.get(), piece, sizeof piece);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw_errno("read(the run's outcome)");
      if (got == 0) break;
      bytes.append(piece, static_cast<size_t>(got));
    }
    process_->join();
    if (bytes.empty()) {
      throw Error(format("the coordinator (pid {}) ended by {} before it could tell the outcome",
                         process_->pid(), show_exit(process_->exitcode().value_or(0))));
    }
    Outcome outcome = from_bytes<Outcome>(bytes);
    if (!outcome.error.empty()) throw Error(outcome.error);
    return {outcome.exit_code, std::move(outcome.message), std::move(outcome.folder),
            outcome.resumable, std::move(outcome.rejects), std::move(outcome.ledger)};
  }

 private:
  UniqueFd outcome_;
  std::optional<Process> process_;
};

Plan plan_of(Document document) {
  std::optional<Plan> plan = plan_here(document, options_here());
  if (!plan) throw Invalid(document.show_problems());
  return std::move(*plan);
}

// A value as YAML would give it: text is quoted, so that it stays text.
Node node_of(const Object& value) {
  Node node;
  if (value.is_nil()) return node;
  if (value.is_array()) {
    node.kind = Node::Kind::kList;
    for (const Object& item : value.as_array()) node.items.push_back(node_of(item));
    return node;
  }
  if (value.is_map()) {
    node.kind = Node::Kind::kMap;
    for (const auto& [key, item] : value.as_map()) {
      node.entries.emplace_back(node_of(key), node_of(item));
    }
    return node;
  }
  node.kind = Node::Kind::kScalar;
  node.quoted = value.is_string();
  node.text = value.is_string() ? value.as_string() : to_json(value);
  return node;
}

Node map_node() {
  Node node;
  node.kind = Node::Kind::kMap;
  return node;
}

// The value of a key of a map; a null, if it was not there.
Node& entry(Node& map, std::string_view key) {
  if (map.kind == Node::Kind::kNull) map = map_node();
  for (auto& [name, value] : map.entries) {
    if (name.text == key) return value;
  }
  map.entries.emplace_back(node_of(Object(key)), Node());
  return map.entries.back().second;
}

}  // namespace

Pipeline::Pipeline(const std::string& name)
    : document_(Document::parse(format("pipeline {}", name), "towpath: 1")) {
  document_.root() = map_node();
  entry(document_.root(), "towpath") = node_of(1);
  entry(document_.root(), "pipeline") = node_of(name);
}

Pipeline Pipeline::load(const std::string& path) {
  Document document = Document::load(path);
  if (!document.ok()) throw Invalid(document.show_problems());
  return Pipeline(std::move(document));
}

Node& Pipeline::stage_node(std::string_view name) {
  return entry(entry(document_.root(), "stages"), name);
}

std::string Pipeline::unused_name(std::string_view kind) {
  const std::string base(kind.substr(kind.rfind('.') + 1));  // npos + 1 is 0
  const Node& stages = entry(document_.root(), "stages");
  std::string name = base;
  for (int number = 2; stages.find(name) != nullptr; ++number) name = format("{}_{}", base, number);
  return name;
}

Pipeline::Stage Pipeline::add(std::string_view kind, const Fields& fields) {
  Stage stage(*this, unused_name(kind));
  Node settings = map_node();
  for (const auto& [name, value] : fields) entry(settings, name) = node_of(value);
  entry(stage_node(stage.name()), kind) = std::move(settings);
  return stage;
}

Pipeline::Stage Pipeline::add(std::string_view kind, const char* main_field) {
  Stage stage(*this, unused_name(kind));
  entry(stage_node(stage.name()), kind) = node_of(main_field);
  return stage;
}

Pipeline::Stage Pipeline::stage(std::string_view name) {
  if (entry(document_.root(), "stages").find(name) == nullptr) {
    throw Invalid(format("there is no stage \"{}\"", name));
  }
  return Stage(*this, std::string(name));
}

Pipeline& Pipeline::param(std::string_view name, const Object& value) {
  entry(entry(document_.root(), "params"), name) = node_of(value);
  return *this;
}

Pipeline& Pipeline::option(std::string_view name, const Object& value) {
  entry(document_.root(), name) = node_of(value);
  return *this;
}

Pipeline::Stage& Pipeline::Stage::from(const Stage& other) {
  Node& from = entry(pipeline_->stage_node(name_), "from");
  const Node name = node_of(other.name_);
  if (from.kind == Node::Kind::kNull) {
    from = name;
    return *this;
  }
  if (from.kind != Node::Kind::kList) {
    Node list;
    list.kind = Node::Kind::kList;
    list.items.push_back(std::move(from));
    from = std::move(list);
  }
  from.items.push_back(name);
  return *this;
}

Pipeline::Stage& Pipeline::Stage::workers(int count) { return option("workers", count); }

Pipeline::Stage& Pipeline::Stage::option(std::string_view name, const Object& value) {
  entry(pipeline_->stage_node(name_), name) = node_of(value);
  return *this;
}

RunResult Pipeline::run() {
  const Plan plan = plan_of(document_);
  RunResult result = Running(plan).result();
  if (result.exit_code == 1) throw Error(result.message);
  return result;
}

// ── rows ──

struct Pipeline::Rows::State {
  Keeper keeper{Session::create_own()};
  UniqueFd listening, socket;
  std::optional<Running> running;
  std::optional<RunResult> result;
  Batch batch;            // being read
  int64_t next = 0;       // row of it
  uint64_t received = 0;  // rows, each counted once
  uint64_t known = 0;     // so many of those that come next are here already
};

Pipeline::Rows::Rows(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pipeline::Rows::Rows(Rows&&) noexcept = default;

Pipeline::Rows::~Rows() {
  if (!state_ || state_->result) return;
  state_->socket.reset();
  if (state_->running) state_->running->stop();
}

const RunResult& Pipeline::Rows::result() const {
  if (!state_->result) throw Invalid("the rows are not read to their end");
  return *state_->result;
}

Pipeline::Rows Pipeline::rows(const Stage& stage) {
  auto state = std::make_unique<Rows::State>();
  const std::string path = state->keeper.session().folder() + "/rows";
  sockaddr_un here{};
  here.sun_family = AF_UNIX;
  if (path.size() >= sizeof here.sun_path)
    throw Invalid(format("{} is too long for a socket", path));
  std::memcpy(here.sun_path, path.data(), path.size());
  state->listening.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!state->listening ||
      ::bind(state->listening.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
      ::listen(state->listening.get(), 1) != 0) {
    throw_errno(format("listen({})", path));
  }
  Pipeline with_sink = *this;
  with_sink.add("rows", {{"address", path}}).from(stage);
  state->running.emplace(plan_of(with_sink.document_));
  return Rows(std::move(state));
}

namespace {

// False: it has hung up.
bool receive(const UniqueFd& socket, char* to, size_t size) {
  for (size_t have = 0; have < size;) {
    const ssize_t got = ::recv(socket.get(), to + have, size - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != ECONNRESET) throw_errno("recv(rows)");
    if (got <= 0) return false;
    have += static_cast<size_t>(got);
  }
  return true;
}

std::optional<Batch> receive_batch(const UniqueFd& socket) {
  std::array<uint64_t, 2> head{};
  if (!receive(socket, reinterpret_cast<char*>(head.data()), sizeof head)) return std::nullopt;
  const auto [size, head_at] = head;
  if (size > kMaxImage || head_at > size) throw Invalid("a frame of rows is broken");
  constexpr std::align_val_t kAlignment{64};
  std::shared_ptr<char> image(
      static_cast<char*>(::operator new(size, kAlignment)),
      [](char* memory) { ::operator delete (memory, std::align_val_t{64}); });
  if (!receive(socket, image.get(), size)) return std::nullopt;
  const std::array<std::span<const char>, 1> blocks = {std::span<const char>(image.get(), size)};
  return Batch::open(blocks, head_at, image);
}

}  // namespace

// The sink connects, or does so again after a death; or the run ends before. False: that.
bool Pipeline::Rows::connect() {
  State& state = *state_;
  pollfd ready[] = {{state.listening.get(), POLLIN, 0}, {state.running->sentinel(), POLLIN, 0}};
  while (::poll(ready, 2, -1) < 0) {
    if (errno != EINTR) throw_errno("poll");
  }
  if (ready[0].revents == 0) return false;
  state.socket.reset(::accept4(state.listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!state.socket) throw_errno("accept4(the rows' socket)");
  uint64_t first = 0;
  if (!receive(state.socket, reinterpret_cast<char*>(&first), sizeof first)) {
    state.socket.reset();
    return true;
  }
  expect(first <= state.received, "no rows are left out");
  state.known = state.received - first;
  return true;
}

bool Pipeline::Rows::next_batch() {
  State& state = *state_;
  while (!state.result) {
    if (!state.socket && !connect()) break;
    if (!state.socket) continue;
    std::optional<Batch> batch = receive_batch(state.socket);
    if (!batch) {
      state.socket.reset();
      continue;
    }
    const auto rows = static_cast<uint64_t>(batch->rows());
    const uint64_t known = std::min(state.known, rows);
    state.known -= known;
    state.received += rows - known;
    state.batch = std::move(*batch);
    state.next = static_cast<int64_t>(known);
    return true;
  }
  if (!state.result) state.result = state.running->result();
  if (state.result->exit_code == 1) throw Error(state.result->message);
  return false;
}

std::optional<Row> Pipeline::Rows::next_row() {
  while (state_->next >= state_->batch.rows()) {
    if (!next_batch()) return std::nullopt;
  }
  return Row(state_->batch, state_->next++);
}

void Pipeline::Rows::Iterator::advance() {
  std::optional<Row> row = rows_->next_row();
  row_.reset();
  if (row) row_.emplace(*row);
}

}  // namespace towpath
