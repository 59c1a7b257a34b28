#pragma once
#include <string>

namespace towpath {

// Loads a shared library for good, by its path. Invalid: it can't be, with the loader's reason.
// In a program that is linked statically always: static/load_module.cc stands for this there.
void load_module(const std::string& path);

}  // namespace towpath
