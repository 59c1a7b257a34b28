#include "towpath/host/host.h"

#include <fcntl.h>
#include <sys/file.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

#include "tests/process/helpers.h"
#include "towpath/base/session.h"
#include "towpath/channel/router.h"
#include "towpath/channel/wait.h"
#include "towpath/memory/arena_view.h"
#include "towpath/process/keeper.h"
#include "towpath/stage/stage.h"
#include "towpath/worker/protocol.h"

// Real workers under a host, with this test as their coordinator.

using namespace towpath;

namespace {

const Schema kText = {{"text", Type::kString}};

// Turns each text round.
class Backwards final : public RowStage {
 public:
  static StageSpec describe() { return StageSpec("test.backwards").summary("Turns text round."); }
  explicit Backwards(const Settings&) {}
  void row(const Row& in, Outputs& out) override {
    const auto text = in.get<std::string_view>("text");
    out.main().from(in.number());
    out.main().column<std::string_view>("text").put(std::string(text.rbegin(), text.rend()));
  }
};
TOWPATH_STAGE(Backwards)

struct Desk {
  Keeper keeper{Session::create_own()};
  TestFolder temp;
  UniqueFd lock{::open((temp.path() + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  Host host{16 << 20, lock.get()};
  Router router{keeper.session().address("c")};

  ~Desk() {
    host.kill_all();
    while (host.alive() != 0 && wait_readable(host.fd(), kSoon)) host.reap();
  }

  int start(int key, const std::string& identity, const std::string& kind = "test.backwards") {
    WorkerStart start;
    start.title = "hosted/" + identity;
    start.identity = identity;
    start.address = keeper.session().address("c");
    start.temp_dir = temp.path();
    Step step;
    step.kind = kind;
    step.values = Object::Map{};
    step.context.inputs = {kText};
    step.context.output = kText;
    step.context.batch_rows = 1000;
    start.steps = {step};
    start.outputs = {{"", kText, {}}};
    return host.start(key, start, {});
  }

  // The next message of any worker.
  Message receive() {
    std::optional<Message> message = router.receive(kSoon);
    if (!message) FAIL("no worker speaks");
    return std::move(*message);
  }
  Commit commit() {
    const Message message = receive();
    Decoder in(message.bytes);
    REQUIRE(message_kind<FromWorker>(in) == FromWorker::kCommit);
    std::vector<Commit> commits = towpath::decode<std::vector<Commit>>(in);
    REQUIRE(commits.size() == 1);
    return std::move(commits.front());
  }
  void expect_ready(const std::string& identity) {
    const Message message = receive();
    Decoder in(message.bytes);
    CHECK(message.from == identity);
    CHECK(message_kind<FromWorker>(in) == FromWorker::kReady);
  }

  Host::Ended ended() {
    const Deadline deadline(kSoon);
    while (true) {
      const std::vector<Host::Ended> all = host.reap();
      if (!all.empty()) {
        REQUIRE(all.size() == 1);
        return all.front();
      }
      if (!wait_readable(host.fd(), deadline.left())) FAIL("no worker ends");
    }
  }
};

// A lease of one row, whose image lies in a block of the arena.
Lease lease_of(Arena& arena, ArenaView& view, const std::string& text) {
  BatchBuilder builder(kText);
  builder.add_row({"f", 1, 0});
  builder.column(0).put_text(text);
  const BatchBuilder::Layout layout = builder.layout();
  const Block block = *arena.allocate(layout.size);
  builder.write(layout, view.write(block).data());
  Lease lease;
  lease.id = 1;
  lease.attempt = 1;
  lease.batch = {{block}, "", layout.size, layout.head_at, 1};
  return lease;
}

}  // namespace

TEST_CASE("Host: a worker reads a leased block and writes into the one it was granted") {
  Desk desk;
  ArenaView view(UniqueFd(::fcntl(desk.host.arena().fd(), F_DUPFD_CLOEXEC, 0)));
  const int pid = desk.start(7, "w1");
  CHECK(desk.host.pid(7) == pid);
  CHECK(desk.host.alive() == 1);
  desk.expect_ready("w1");
  std::string text(50'000, 'a');
  text.back() = 'z';
  Lease lease = lease_of(desk.host.arena(), view, text);
  const Block granted = *desk.host.arena().allocate(64 << 10);
  lease.grants = {{0, granted}};
  desk.router.send("w1", make_message(ToWorker::kWork, std::vector<Lease>{lease}));
  const Commit commit = desk.commit();
  CHECK(commit.final);
  REQUIRE(commit.outputs.size() == 1);
  const BatchName& out = commit.outputs[0].batch;
  REQUIRE(out.blocks == std::vector<Block>{granted});
  const std::span<const char> image = view.read(granted).first(out.size);
  const Batch batch = Batch::open({&image, 1}, out.head_at, nullptr);
  CHECK(batch.strings("text")[0] == "z" + std::string(49'999, 'a'));
  desk.router.send("w1", make_message(ToWorker::kPill, Pill::kEnd));
  const Host::Ended ended = desk.ended();
  CHECK(ended.key == 7);
  CHECK(ended.pid == pid);
  CHECK(ended.exitcode == 0);
  CHECK(desk.host.pid(7) == 0);
}

TEST_CASE("Host: without a grant the worker asks for room and goes on when it is granted") {
  Desk desk;
  ArenaView view(UniqueFd(::fcntl(desk.host.arena().fd(), F_DUPFD_CLOEXEC, 0)));
  desk.start(0, "w1");
  desk.expect_ready("w1");
  const Lease lease = lease_of(desk.host.arena(), view, std::string(50'000, 'b'));
  desk.router.send("w1", make_message(ToWorker::kWork, std::vector<Lease>{lease}));
  const Commit part = desk.commit();
  CHECK_FALSE(part.final);
  REQUIRE(part.want);
  CHECK(part.want->bytes > 50'000);
  const Room room{1, 1, {0, *desk.host.arena().allocate(part.want->bytes)}};
  desk.router.send("w1", make_message(ToWorker::kRoom, room));
  CHECK(desk.commit().final);
}

TEST_CASE("Host: the death of a worker is what its pidfd says and leaves the others") {
  Desk desk;
  const int first = desk.start(0, "w1");
  desk.start(1, "w2");
  CHECK_FALSE(wait_readable(desk.host.fd(), Millis{0}));
  CHECK(desk.host.reap().empty());
  ::kill(first, SIGKILL);
  const Host::Ended ended = desk.ended();
  CHECK(ended.key == 0);
  CHECK(ended.exitcode == -SIGKILL);
  CHECK(show_exit(ended.exitcode) == "signal 9 (SIGKILL)");
  CHECK(desk.host.alive() == 1);
  CHECK(desk.start(0, "w3") != first);  // the seat is free again
  desk.host.kill(1);
  CHECK(desk.ended().key == 1);
}

TEST_CASE("Host: a worker has the arena and its lifeline but no stray descriptor") {
  Desk desk;
  const UniqueFd stray(::open("/dev/null", O_RDONLY));  // inheritable, as a careless library has it
  const int pid = desk.start(0, "w1");
  desk.expect_ready("w1");
  int arenas = 0, strays = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code ignored;
    const std::string target = std::filesystem::read_symlink(entry.path(), ignored);
    if (target.find("/memfd:towpath-arena") == 0) ++arenas;
    if (target == "/dev/null" && std::stoi(entry.path().filename()) > 2) ++strays;
  }
  CHECK(arenas == 1);
  CHECK(strays == 0);
}

TEST_CASE("Host: a worker keeps the run's lock until it has ended") {
  Desk desk;
  REQUIRE(::flock(desk.lock.get(), LOCK_EX | LOCK_NB) == 0);
  desk.start(0, "w1");
  desk.expect_ready("w1");
  desk.lock.reset();
  const UniqueFd other(::open((desk.temp.path() + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) != 0);
  desk.host.kill(0);
  CHECK(desk.ended().exitcode == -SIGKILL);
  CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
}

TEST_CASE("Host: workers end with the host that owns them") {
  int pid = 0;
  {
    Keeper keeper(Session::create_own());
    Router router(keeper.session().address("c"));
    const UniqueFd lock(::open("/dev/null", O_RDWR | O_CLOEXEC));
    Host host(16 << 20, lock.get());
    WorkerStart start;
    start.title = "hosted/w1";
    start.identity = "w1";
    start.address = keeper.session().address("c");
    Step step;
    step.kind = "test.backwards";
    step.values = Object::Map{};
    step.context.inputs = {kText};
    step.context.output = kText;
    start.steps = {step};
    start.outputs = {{"", kText, {}}};
    pid = host.start(0, start, {});
    CHECK(::kill(pid, 0) == 0);
  }
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("Host: a stage that can't be made is told and not a death") {
  Desk desk;
  desk.start(0, "w1", "test.nothing");
  const Message message = desk.receive();
  Decoder in(message.bytes);
  REQUIRE(message_kind<FromWorker>(in) == FromWorker::kFailed);
  CHECK_THAT(towpath::decode<Failed>(in).what, Catch::Contains("test.nothing"));
  CHECK(desk.host.alive() == 1);  // it waits for its pill
  desk.router.send("w1", make_message(ToWorker::kPill, Pill::kStop));
  CHECK(desk.ended().exitcode == 1);
}
