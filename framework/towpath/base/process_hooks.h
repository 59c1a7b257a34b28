#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace towpath {

// What lower layers ask of the process layer, which stands above them: towpath::init fills it in,
// in every process, before anything else runs.
struct ProcessHooks {
  // Has a SharedFolder removed once nobody uses it, whatever dies.
  void (*keep_folder)(const std::string& path) = nullptr;
  // A function as bytes that name it in every process of this program, and back. Invalid when the
  // module that holds it is not loaded there.
  std::string (*name_function)(void (*function)()) = nullptr;
  void (*(*find_function)(std::string_view bytes))() = nullptr;
  // Starts the process behind this program's queues over ZeroMQ. It listens there when this
  // returns, and ends with the program's session. Its Holder (sync/holder.h). Closed: it ended at
  // once.
  uint64_t (*start_hub)(const std::string& address) = nullptr;
};

void set_process_hooks(const ProcessHooks& hooks);
// Invalid when towpath::init was not called; `what` needs it.
const ProcessHooks& process_hooks(std::string_view what);

}  // namespace towpath
