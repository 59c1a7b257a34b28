// A program that forgets towpath::init: start must refuse, or its child would run this main again.
#include <cstdio>

#include "towpath/base/error.h"
#include "towpath/process/process.h"

int main() {
  towpath::Process process([] { std::puts("ran"); });
  try {
    process.start();
  } catch (const towpath::Invalid& error) {
    std::puts(error.what());
    return 0;
  }
  return 1;
}
