// The main of every test program. Catch2's own main would run again in each spawned child.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include "towpath/process/init.h"

int main(int argc, char** argv) {
  towpath::init(argc, argv);
  return Catch::Session().run(argc, argv);
}
