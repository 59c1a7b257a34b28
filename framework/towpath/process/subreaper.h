#pragma once

namespace towpath {

// While one lives, processes of this process's tree that lose their parent become its children, so
// that a grandchild made on its behalf is handed up to it. Restores what was set before; may nest
// and overlap.
class SubreaperWindow {
 public:
  SubreaperWindow();
  SubreaperWindow(const SubreaperWindow&) = delete;
  ~SubreaperWindow();
};

}  // namespace towpath
