#pragma once
#include <sys/types.h>

#include <fstream>
#include <sstream>
#include <string>

// Whether a thread of this process sleeps: in a system call, most likely the one it is to be met
// in.
inline bool is_asleep(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::ostringstream text;
  text << file.rdbuf();  // of a thread that ends meanwhile: what there was
  const std::string stat = text.str();
  const size_t end = stat.rfind(')');
  return end != stat.npos && stat.substr(end, 4) == ") S ";
}
