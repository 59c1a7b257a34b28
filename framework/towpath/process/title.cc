#include "towpath/process/title.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "towpath/process/title_space.h"

namespace towpath {
namespace {

// The kernel shows the bytes where argv lay. If the last of them is not 0, it goes on into the
// bytes where the environment lay, up to the first 0: so a longer title moves the environment away.
struct Space {
  char* begin = nullptr;
  char* arguments_end = nullptr;
  char* end = nullptr;
  bool environment_moved = false;
};
Space space;

void move_environment() {
  size_t count = 0;
  while (environ[count] != nullptr) ++count;
  // Never freed: the process's environment from now on.
  char** const moved = new char*[count + 1];
  for (size_t i = 0; i < count; ++i) moved[i] = ::strdup(environ[i]);
  moved[count] = nullptr;
  environ = moved;
  space.environment_moved = true;
}

void set_short_name(std::string_view title) {
  if (title.starts_with("towpath: ")) title.remove_prefix(9);
  title = title.substr(0, title.find(' '));
  if (const size_t slash = title.rfind('/'); slash != title.npos) title.remove_prefix(slash + 1);
  ::prctl(PR_SET_NAME, std::string(title).c_str());
}

}  // namespace

void find_title_space(int argc, char** argv) {
  if (argc == 0) return;
  space.begin = argv[0];
  char* at = argv[0];
  for (int i = 0; i < argc && argv[i] == at; ++i) at += std::strlen(at) + 1;
  space.arguments_end = at;
  for (char** variable = environ; *variable != nullptr && *variable == at; ++variable) {
    at += std::strlen(at) + 1;
  }
  space.end = at;
}

void set_process_title(std::string_view title) {
  set_short_name(title);
  if (space.begin == nullptr) return;
  size_t room = static_cast<size_t>(space.arguments_end - space.begin);
  if (title.size() >= room && space.end > space.arguments_end && !space.environment_moved) {
    move_environment();
  }
  if (space.environment_moved) room = static_cast<size_t>(space.end - space.begin);
  const size_t shown = std::min(title.size(), room - 1);
  std::memcpy(space.begin, title.data(), shown);
  std::memset(space.begin + shown, 0, room - shown);
}

}  // namespace towpath
