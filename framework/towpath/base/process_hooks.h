#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace towpath {

// What the process does that serves a program's queues; it never returns. (By pointer, so that a
// program without such queues need not have what it takes.)
using HubWork = void (*)(const std::string& address, const std::function<void()>& ready);

// What lower layers ask of the process layer, which stands above them: towpath::init fills it in,
// in every process, before anything else runs.
struct ProcessHooks {
  // Has a SharedFolder removed once nobody uses it, whatever dies.
  void (*keep_folder)(const std::string& path) = nullptr;
  // A function as bytes that name it in every process of this program, and back. Invalid when the
  // module that holds it is not loaded there.
  std::string (*name_function)(void (*function)()) = nullptr;
  void (*(*find_function)(std::string_view bytes))() = nullptr;
  // Starts a process of this program that does `work` until the program's session ends. It has said
  // ready() when this returns. Its Holder (sync/holder.h). Closed: it ended before that.
  uint64_t (*start_hub)(HubWork work, const std::string& address) = nullptr;
};

void set_process_hooks(const ProcessHooks& hooks);
// Invalid when towpath::init was not called; `what` needs it.
const ProcessHooks& process_hooks(std::string_view what);

}  // namespace towpath
