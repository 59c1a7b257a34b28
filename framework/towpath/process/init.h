#pragma once

namespace towpath {

// The first statement of main. A child process runs the program's own file again: in a child (or in
// the forkserver, keeper or hub) this call does the child's work and exits, running atexit hooks.
// In the program itself it returns at once.
//
// Missing   starting a Process is Invalid, and says so: there is no child that could run main.
// Late      what stands before it runs in every child, too, and in the forkserver; where that ends
//           the process, the error of start(), or the child's error(), says what happened.
// Statics   their constructors run in every child before this call, so keep them free of effects. A
//           global Lock, Queue or Pool would be another one in every child; it is Invalid, which
//           ends the program before main with the reason: make them in main, and pass them on.
// Signals   SIGXFSZ is ignored from here on, in children, too: memory that passes `ulimit -f` is an
//           error of the call that wants it, not a death.
// Static    a program that is linked statically (CMake's towpath_static) has all of the library but
//           what goes over ZeroMQ: TCP, and what asks for Transport::kZeroMq, are Unsupported
//           there, and so are targets in shared libraries.
// Source    Python's `if __name__ == "__main__"` and freeze_support() in one: a program that is
//           linked statically or stripped needs nothing else.
void init(int argc, char** argv);

}  // namespace towpath
