#include "towpath/coordinator/pipeline.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/session.h"
#include "towpath/base/unique_fd.h"
#include "towpath/coordinator/planning.h"
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
  std::string message, folder, rejects;
  Snapshot ledger;
  TOWPATH_FIELDS(error, exit_code, message, folder, rejects, ledger)
};

void coordinate(std::string plan, std::string runs, Descriptor out) {
  const UniqueFd fd(out.fd);
  Outcome outcome;
  try {
    RunOptions options;
    options.runs = runs;
    RunResult result = run_plan(from_bytes<Plan>(plan), options);
    outcome = {"", result.exit_code, result.message, result.folder, result.rejects, result.ledger};
  } catch (const std::exception& error) {
    outcome.error = error.what();
  }
  const std::string bytes = to_bytes(outcome);
  for (std::string_view rest = bytes; !rest.empty();) {
    const ssize_t written = ::write(fd.get(), rest.data(), rest.size());
    if (written < 0) throw_errno("write(the run's outcome)");
    rest.remove_prefix(static_cast<size_t>(written));
  }
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
      throw Error(format("the coordinator (pid {}) died with exit code {}", process_->pid(),
                         process_->exitcode().value_or(0)));
    }
    Outcome outcome = from_bytes<Outcome>(bytes);
    if (!outcome.error.empty()) throw Error(outcome.error);
    return {outcome.exit_code, outcome.message, outcome.folder, outcome.rejects,
            std::move(outcome.ledger)};
  }

 private:
  UniqueFd outcome_;
  std::optional<Process> process_;
};

Plan plan_of(const std::string& name, const std::string& yaml) {
  Document document = Document::parse(name, yaml);
  std::optional<Plan> plan = plan_here(document, options_here());
  if (!plan) throw Invalid(document.show_problems());
  return std::move(*plan);
}

Object object_of(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return {};
    case Node::Kind::kScalar:
      return Object(Object::Map{{Object(node.quoted), Object(node.text)}});
    case Node::Kind::kList: {
      Object::Array items;
      for (const Node& item : node.items) items.push_back(object_of(item));
      return items;
    }
    case Node::Kind::kMap:
      break;
  }
  Object map{Object::Map{}};
  for (const auto& [key, value] : node.entries) map.set(key.text, object_of(value));
  return map;
}

// YAML in flow style. A scalar that was loaded stands as a map of one entry with a bool as its key:
// whether it was quoted. So a plain scalar stays plain.
void append_yaml(std::string& out, const Object& value) {
  if (value.is_array()) {
    out += '[';
    for (const Object& item : value.as_array()) {
      if (out.back() != '[') out += ", ";
      append_yaml(out, item);
    }
    out += ']';
  } else if (value.is_map() && value.as_map().size() == 1 && value.as_map()[0].first.is_bool()) {
    const auto& [quoted, text] = value.as_map()[0];
    const bool plain = !quoted.as_bool() && text.as_string().find_first_not_of(
                                                "0123456789.-+abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"
                                                "KLMNOPQRSTUVWXYZ_%") == std::string::npos;
    if (plain)
      out += text.as_string();
    else
      append_json_string(out, text.as_string());
  } else if (value.is_map()) {
    out += '{';
    for (const auto& [key, item] : value.as_map()) {
      if (out.back() != '{') out += ", ";
      append_json_string(out, key.as_string());
      out += ": ";
      append_yaml(out, item);
    }
    out += '}';
  } else {
    out += to_json(value);
  }
}

}  // namespace

Pipeline::Pipeline(std::string name) : name_(std::move(name)) {
  root_.set("towpath", 1);
  root_.set("pipeline", name_);
  root_.set("stages", Object::Map{});
}

Pipeline Pipeline::load(const std::string& path) {
  const Document document = Document::load(path);
  if (!document.ok()) throw Invalid(document.show_problems());
  Pipeline pipeline(path);
  pipeline.root_ = object_of(document.root());
  if (pipeline.root_.find("stages") == nullptr) pipeline.root_.set("stages", Object::Map{});
  return pipeline;
}

Object& Pipeline::stage_object(const std::string& name) {
  for (auto& [key, value] : root_.as_map()) {
    if (key == Object("stages")) {
      for (auto& [stage, fields] : value.as_map()) {
        if (stage == Object(name)) return fields;
      }
      value.set(name, Object::Map{});
      return value.as_map().back().second;
    }
  }
  throw Bug("a pipeline has stages");
}

std::string Pipeline::unused_name(std::string_view kind) const {
  std::string base(kind.substr(kind.rfind('.') + 1));  // npos + 1 is 0
  const Object* stages = root_.find("stages");
  if (stages->find(base) == nullptr) return base;
  for (int number = 2;; ++number) {
    const std::string name = format("{}_{}", base, number);
    if (stages->find(name) == nullptr) return name;
  }
}

Pipeline::Stage Pipeline::add(std::string_view kind, Fields fields) {
  Stage stage(*this, unused_name(kind));
  Object settings{Object::Map{}};
  for (auto& [name, value] : fields) settings.set(name, std::move(value));
  stage_object(stage.name()).set(kind, std::move(settings));
  return stage;
}

Pipeline::Stage Pipeline::add(std::string_view kind, const char* main_field) {
  Stage stage(*this, unused_name(kind));
  stage_object(stage.name()).set(kind, main_field);
  return stage;
}

Pipeline::Stage Pipeline::stage(std::string_view name) {
  if (root_.find("stages")->find(name) == nullptr)
    throw Invalid(format("there is no stage \"{}\"", name));
  return Stage(*this, std::string(name));
}

Pipeline& Pipeline::param(std::string_view name, Object value) {
  if (root_.find("params") == nullptr) root_.set("params", Object::Map{});
  for (auto& [key, params] : root_.as_map()) {
    if (key == Object("params")) params.set(name, std::move(value));
  }
  return *this;
}

Pipeline& Pipeline::option(std::string_view name, Object value) {
  root_.set(name, std::move(value));
  return *this;
}

Pipeline::Stage& Pipeline::Stage::from(const Stage& other) {
  Object& self = pipeline_->stage_object(name_);
  const Object* before = self.find("from");
  if (before == nullptr) {
    self.set("from", other.name_);
  } else {
    Object::Array all = before->is_array() ? before->as_array() : Object::Array{*before};
    all.emplace_back(other.name_);
    self.set("from", std::move(all));
  }
  return *this;
}

Pipeline::Stage& Pipeline::Stage::workers(int count) { return option("workers", count); }

Pipeline::Stage& Pipeline::Stage::option(std::string_view name, Object value) {
  pipeline_->stage_object(name_).set(name, std::move(value));
  return *this;
}

std::string Pipeline::yaml() const {
  std::string text;
  for (const auto& [key, value] : root_.as_map()) {
    text += key.as_string() + ":";
    if (key == Object("stages")) {
      text += '\n';
      for (const auto& [name, fields] : value.as_map()) {
        text += "  ";
        append_json_string(text, name.as_string());
        text += ": ";
        append_yaml(text, fields);
        text += '\n';
      }
      continue;
    }
    text += ' ';
    append_yaml(text, value);
    text += '\n';
  }
  return text;
}

RunResult Pipeline::run() {
  const Plan plan = plan_of(name_, yaml());
  RunResult result = Running(plan).result();
  if (result.exit_code == 1) throw Error(result.message);
  return result;
}

// ── rows ──

struct Pipeline::Rows::State {
  UniqueFd listening, socket;
  std::optional<Keeper> keeper;
  std::optional<Running> running;
  std::optional<RunResult> result;
  Batch batch;       // being read
  int64_t next = 0;  // row of it
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
  static int count = 0;
  const Session session = Session::create(format("rows-{:x}-{}", ::getpid(), ++count));
  auto state = std::make_unique<Rows::State>();
  state->keeper.emplace(session.folder());
  const std::string path = session.folder() + "/rows";
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
  with_sink.add("rows", Fields{{"address", path}}).from(stage);
  state->running.emplace(plan_of(name_, with_sink.yaml()));
  return Rows(std::move(state));
}

std::optional<Batch> Pipeline::Rows::next_batch() {
  State& state = *state_;
  if (state.result) return std::nullopt;
  // Either the sink connects, or the run ends before.
  if (!state.socket) {
    pollfd ready[] = {{state.listening.get(), POLLIN, 0}, {state.running->sentinel(), POLLIN, 0}};
    while (::poll(ready, 2, -1) < 0) {
      if (errno != EINTR) throw_errno("poll");
    }
    if (ready[0].revents != 0) {
      state.socket.reset(::accept4(state.listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!state.socket) throw_errno("accept4(the rows' socket)");
    }
  }
  const auto receive = [&state](char* to, size_t size) {
    for (size_t have = 0; have < size;) {
      const ssize_t got = ::recv(state.socket.get(), to + have, size - have, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw_errno("recv(rows)");
      if (got == 0) return false;
      have += static_cast<size_t>(got);
    }
    return true;
  };
  std::array<uint64_t, 2> head{};
  if (state.socket && receive(reinterpret_cast<char*>(head.data()), sizeof head)) {
    const auto [size, head_at] = head;
    if (size > kMaxImage || head_at > size) throw Invalid("a frame of rows is broken");
    constexpr std::align_val_t kAlignment{64};
    std::shared_ptr<char> image(
        static_cast<char*>(::operator new(size, kAlignment)),
        [](char* memory) { ::operator delete (memory, std::align_val_t{64}); });
    if (receive(image.get(), size)) {
      const std::array<std::span<const char>, 1> blocks = {
          std::span<const char>(image.get(), size)};
      return Batch::open(blocks, head_at, image);
    }
  }
  state.result = state.running->result();
  if (state.result->exit_code == 1) throw Error(state.result->message);
  return std::nullopt;
}

std::optional<Row> Pipeline::Rows::next_row() {
  while (state_->next >= state_->batch.rows()) {
    std::optional<Batch> batch = next_batch();
    if (!batch) return std::nullopt;
    state_->batch = std::move(*batch);
    state_->next = 0;
  }
  return Row(state_->batch, state_->next++);
}

void Pipeline::Rows::Iterator::advance() {
  std::optional<Row> row = rows_->next_row();
  row_.reset();
  if (row) row_.emplace(*row);
}

}  // namespace towpath
