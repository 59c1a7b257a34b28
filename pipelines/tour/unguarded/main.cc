// A program that forgets towpath::init, for the tour's main_guard.
#include <iostream>

#include "towpath/multiprocessing.h"

int main() {
  try {
    towpath::Process child([] { std::cout << "never printed\n"; });
    child.start();
  } catch (const towpath::Invalid& error) {
    std::cout << error.what() << '\n';
    return 1;
  }
}
