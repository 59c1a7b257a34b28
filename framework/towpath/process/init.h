#pragma once

namespace towpath {

// The first statement of main. A child process runs the program's own file again: in a child (or in
// the forkserver or keeper) this call does the child's work and exits, running atexit hooks. In the
// program itself it returns at once.
//
// Static constructors run in every child before this call, so keep them free of effects.
void init(int argc, char** argv);

}  // namespace towpath
