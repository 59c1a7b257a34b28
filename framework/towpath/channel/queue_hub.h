#pragma once
#include <functional>
#include <memory>
#include <string>

namespace towpath {

// The hub's work: a QueueBroker for each queue over ZeroMQ of a program, behind one Router that all
// its processes talk to.
//
// Deaths     a client's death is known by pidfd. It is dealt with when all that it had sent has
//            been heard, as ZeroMQ says that it is no more; then its queues take back what it had.
// Queues     one ends when nobody has it open and the process that made it has let it go (its file
//            is gone).
// Bad input  a client that says what no client says is told why, and not heard any more, as if it
//            had ended. What has not said hello is not heard at all. The others go on.
// Load       what has arrived is dealt with in rounds, of 1,000 messages or 64 MiB at most, and
//            behind each every client is answered in one message: the more there is to do, the
//            more a message holds.
class QueueHub {
 public:
  explicit QueueHub(const std::string& address);
  ~QueueHub();

  [[noreturn]] void run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What the hub's process does: see ProcessHooks::start_hub.
void serve_queues(const std::string& address, const std::function<void()>& ready);

}  // namespace towpath
