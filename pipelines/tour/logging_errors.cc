// The log says which process speaks. Errors go by what the caller can do: correct the call
// (Invalid), try again later (Timeout), reconnect or stop (Closed).
#include <unistd.h>

#include <thread>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void work() { get_logger().warning("the water is low"); }

void serve(Connection line) { line.send_bytes("eighteen bytes long"); }

template <class F>
void tell(const char* what, F call) {
  try {
    call();
  } catch (const BufferTooShort& error) {
    say(format("{}: BufferTooShort, which holds \"{}\"", what, error.message()));
  } catch (const AuthenticationError&) {
    say(format("{}: AuthenticationError", what));
  } catch (const EndOfStream&) {
    say(format("{}: EndOfStream", what));
  } catch (const Closed&) {
    say(format("{}: Closed", what));
  } catch (const TimeoutError&) {
    say(format("{}: Timeout", what));
  } catch (const Invalid&) {
    say(format("{}: Invalid", what));
  }
}

}  // namespace

void logging_errors() {
  set_log_fd(STDOUT_FILENO);
  log_to_stderr(Level::kInfo);
  Process child(Options{.name = "lock keeper", .stderr_fd = STDOUT_FILENO}, &work);
  child.start();
  child.join();

  auto [mine, its] = Pipe();
  Process serves(&serve, std::move(its));
  serves.start();
  std::byte small[4];
  tell("recv_bytes_into", [&, &line = mine] { line.recv_bytes_into(small); });
  tell("recv", [&line = mine] { line.recv(); });
  Queue<int> queue;
  tell("get", [&queue] { queue.get(Millis{10}); });
  Lock lock;
  tell("release", [&lock] { lock.release(); });
  Listener listener({}, {.key = "the right one"});
  std::thread accepts([&listener] { tell("accept", [&listener] { listener.accept(); }); });
  tell("Client", [&listener] { Client(listener.address(), {.key = "a wrong one"}); });
  listener.close();  // which ends the accept() that waits: a stranger does not
  accepts.join();
}

}  // namespace tour
