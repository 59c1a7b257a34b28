#pragma once
#include <memory>
#include <string>

#include "towpath/base/clock.h"
#include "towpath/shared/manager.h"

namespace towpath {

// A manager in this process, for those who connect: the objects lie here.
//
//   ManagerServer server({.address = "tcp://0.0.0.0:5000", .connect = {.key = secret}});
//   auto jobs = server.manager().queue<std::string>();
//   server.manager().publish("jobs", jobs);
//   server.serve();
//
// Threads    it serves from its making on, in threads of its own. stop() by any.
// Deaths     of this process: Closed for its clients.
// Fork       a child's copy is not the server: its end ends nothing, stop() there is Invalid.
// Source     Python's BaseManager.get_server().
class ManagerServer {
 public:
  // Throws as Listener does. `method` is not used.
  explicit ManagerServer(const ManagerOptions& options = {});
  ManagerServer(ManagerServer&&) noexcept;
  ManagerServer& operator=(ManagerServer&&) = delete;
  ~ManagerServer();  // stops, and waits for the calls that run

  const std::string& address() const;
  // A client of it.
  Manager manager() const;
  // Waits until stop(): true.
  bool serve(Millis timeout = kForever);
  // Cuts its clients off. Twice is once.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace towpath
