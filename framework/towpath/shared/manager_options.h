#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/channel/listener.h"
#include "towpath/process/method.h"
#include "towpath/shared/exposes.h"

namespace towpath {

struct ManagerOptions {
  std::string name{};  // of its process, in errors; empty: "Manager-1"
  // Where it listens; see Listener. Empty: a local address in the program's session. With "tcp://"
  // and a key it is a manager for other programs on other hosts, too.
  std::string address{};
  ConnectOptions connect{};
  std::optional<Method> method{};
  // Larger requests are Invalid.
  uint64_t max_message = uint64_t{1} << 30;
  // How long a proxy that was sent counts, whether or not it arrives.
  Millis transit{60'000};
  // Over TCP with a key of its own: lets clients have functions of the program run there, as those
  // of this program's processes do (update, make<T>). What arrives is an address in its code: only
  // where all clients are of the same program, and trusted.
  bool remote_functions = false;
  // What clients of any program can create by name.
  std::vector<std::pair<std::string, managed::Describe>> types{};

  template <Exposed T>
  ManagerOptions& type(const std::string& type_name) {
    types.emplace_back(type_name, &managed::described<T>);
    return *this;
  }
};

}  // namespace towpath
