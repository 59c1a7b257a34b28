#pragma once
#include <filesystem>
#include <iterator>
#include <vector>

#include "towpath/process/method.h"

// The start methods that this process may use: fork only while it has one thread.
inline std::vector<towpath::Method> methods() {
  using towpath::Method;
  const auto tasks = std::filesystem::directory_iterator("/proc/self/task");
#if defined(__SANITIZE_THREAD__)
  const int own = 2;  // ThreadSanitizer's beside it
#else
  const int own = 1;
#endif
  if (std::distance(begin(tasks), end(tasks)) > own) return {Method::kForkserver, Method::kSpawn};
  return {Method::kForkserver, Method::kSpawn, Method::kFork};
}
