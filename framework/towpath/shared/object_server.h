#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "towpath/channel/listener.h"
#include "towpath/shared/exposes.h"
#include "towpath/shared/object_table.h"

namespace towpath::managed {

// A manager's server: listens, and serves each connection in a thread of its own, so that a call
// that waits holds up nobody else.
class ObjectServer {
 public:
  struct Options {
    std::string name{};
    std::string address{};
    ConnectOptions connect{};
    uint64_t max_message = 0;
    Millis transit{0};
    bool remote_functions = false;
    std::vector<std::pair<std::string, Describe>> types{};
  };
  // Listens and serves from here on.
  explicit ObjectServer(Options options);
  // Waits for the calls that run; those that wait for something end.
  ~ObjectServer();

  const Where& where() const { return where_; }
  const Options& options() const { return options_; }
  // No more clients; those that are connected are cut off.
  void stop();
  // All have ended after stop(): true.
  bool join(Millis timeout);

 private:
  class Line;
  void accept_all();
  void start(Connection connection);
  void make_room();
  bool stopping();
  const ObjectType& type(const std::string& name);
  void call_manager(std::string_view method, Invocation& call, const Line& line);

  const Options options_;
  Where where_;
  ObjectTable objects_;
  Listener listener_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::map<std::shared_ptr<Line>, std::thread> lines_;
  std::deque<std::weak_ptr<Line>> newcomers_;  // that may not have said who they are
  std::vector<std::thread> ended_threads_;     // to be joined
  bool stopping_ = false;
  std::thread accepting_;
};

}  // namespace towpath::managed
