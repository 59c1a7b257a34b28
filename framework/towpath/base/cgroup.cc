#include "towpath/base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "towpath/base/format.h"

namespace towpath {
namespace {

// The folder of this process in the hierarchy that `controller` names ("" for v2); "" for its root.
std::string cgroup_path(const CgroupFiles& files, const std::string& controller) {
  std::ifstream file(files.own);
  std::string line;
  while (std::getline(file, line)) {  // "3:cpu,cpuacct:/path", or "0::/path" for v2
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    std::stringstream names(line.substr(first + 1, second - first - 1));
    if (controller.empty() && second == first + 1) return line.substr(second + 1);
    for (std::string name; std::getline(names, name, ',');) {
      if (name == controller) return line.substr(second + 1);
    }
  }
  return "";
}

}  // namespace

double least_cgroup_limit(const CgroupFiles& files, const std::string& controller,
                          const std::vector<std::string>& roots,
                          const std::function<double(const std::string& folder)>& limit_of) {
  const auto least_of = [&limit_of](const std::string& root, std::string path) {
    double least = limit_of(root);
    while (path.size() > 1 && path.front() == '/') {
      least = std::min(least, limit_of(root + path));
      path.resize(path.rfind('/'));
    }
    return least;
  };
  double least = least_of(files.root, cgroup_path(files, ""));
  for (const std::string& root : roots) {
    least = std::min(least,
                     least_of(format("{}/{}", files.root, root), cgroup_path(files, controller)));
  }
  return least;
}

}  // namespace towpath
