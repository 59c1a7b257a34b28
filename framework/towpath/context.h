#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/base/cpu_count.h"
#include "towpath/base/log.h"
#include "towpath/channel/connection.h"
#include "towpath/channel/queue.h"
#include "towpath/pool/executor.h"
#include "towpath/pool/pool.h"
#include "towpath/process/forkserver.h"
#include "towpath/process/method.h"
#include "towpath/process/process.h"
#include "towpath/process/this_process.h"
#include "towpath/shared/array.h"
#include "towpath/shared/manager.h"
#include "towpath/shared/value.h"
#include "towpath/sync/barrier.h"
#include "towpath/sync/condition.h"
#include "towpath/sync/event.h"
#include "towpath/sync/lock.h"
#include "towpath/sync/rlock.h"
#include "towpath/sync/semaphore.h"

namespace towpath {

// A start method, with all of the library under it: a library takes one, so that it neither relies
// on the program's default nor changes it. Contexts stand side by side.
//
// Objects    a Process, a Pool, an Executor and a Manager start their processes by the context's
//            method; by that of fork they are Unsupported once the process has threads (a pool has
//            one), and workers that a pool or an executor starts later come from the forkserver:
//            see Pool. All else is the same in every context, and what one made works in processes
//            of another: Towpath's locks and queues are names that any process of the program
//            opens. (Python refuses a lock of the fork context in a spawned process: such a lock
//            has no name.)
// Executable a child always runs the file of this program, because a target is an offset in it:
//            there is no set_executable. init() is freeze_support().
// Source     the contexts of Python's multiprocessing, and its words.
class Context {
 public:
  explicit Context(Method method) : method_(method) {}

  Method get_start_method() const { return method_; }

  template <class F, class... A>
  requires(!std::is_same_v<std::decay_t<F>, Options>) towpath::Process
      Process(F function, A&&... args)
  const { return Process(Options{}, function, std::forward<A>(args)...); }
  // A method in the options is Invalid when it is another than the context's.
  template <class F, class... A>
  towpath::Process Process(Options options, F function, A&&... args) const {
    options.method = only(options.method);
    return towpath::Process(std::move(options), function, std::forward<A>(args)...);
  }
  template <std::derived_from<Runnable> T, class... A>
  towpath::Process ProcessOf(A&&... args) const {
    return ProcessOf<T>(Options{}, std::forward<A>(args)...);
  }
  template <std::derived_from<Runnable> T, class... A>
  towpath::Process ProcessOf(Options options, A&&... args) const {
    options.method = only(options.method);
    return towpath::Process::of<T>(std::move(options), std::forward<A>(args)...);
  }

  towpath::Pool Pool(int workers = 0) const { return Pool(PoolOptions{.workers = workers}); }
  towpath::Pool Pool(PoolOptions options) const {
    options.method = only(options.method);
    return towpath::Pool(std::move(options));
  }
  towpath::Executor Executor(PoolOptions options = {}) const {
    options.method = only(options.method);
    return towpath::Executor(std::move(options));
  }

  template <class T = Object>
  towpath::Queue<T> Queue(size_t maxsize = 0) const {
    return towpath::Queue<T>(maxsize);
  }
  template <class T = Object>
  towpath::Queue<T> Queue(const QueueOptions& options) const {
    return towpath::Queue<T>(options);
  }
  template <class T = Object>
  towpath::JoinableQueue<T> JoinableQueue(size_t maxsize = 0) const {
    return towpath::JoinableQueue<T>(maxsize);
  }
  template <class T = Object>
  towpath::JoinableQueue<T> JoinableQueue(const QueueOptions& options) const {
    return towpath::JoinableQueue<T>(options);
  }
  template <class T = Object>
  towpath::SimpleQueue<T> SimpleQueue(Transport transport = Transport::kAuto) const {
    return towpath::SimpleQueue<T>(transport);
  }
  std::pair<Connection, Connection> Pipe(bool duplex = true,
                                         Transport transport = Transport::kAuto) const {
    return towpath::Pipe(duplex, transport);
  }

  towpath::Lock Lock() const { return {}; }
  towpath::RLock RLock() const { return {}; }
  towpath::Semaphore Semaphore(int64_t value = 1) const { return towpath::Semaphore(value); }
  towpath::BoundedSemaphore BoundedSemaphore(int64_t value = 1) const {
    return towpath::BoundedSemaphore(value);
  }
  towpath::Condition Condition() const { return {}; }
  towpath::Condition Condition(const towpath::Lock& lock) const { return towpath::Condition(lock); }
  towpath::Condition Condition(const towpath::RLock& lock) const {
    return towpath::Condition(lock);
  }
  towpath::Event Event() const { return {}; }
  towpath::Barrier Barrier(int parties, towpath::Barrier::Action action = nullptr,
                           Millis timeout = kForever) const {
    return towpath::Barrier(parties, action, timeout);
  }

  towpath::Manager Manager(ManagerOptions options = {}) const {
    options.method = only(options.method);
    return towpath::Manager(options);
  }
  // Runs initializer(arguments...) in it first.
  template <class F, class... A>
  towpath::Manager Manager(ManagerOptions options, F initializer, A&&... arguments) const {
    options.method = only(options.method);
    return towpath::Manager(options, initializer, std::forward<A>(arguments)...);
  }

  // Without a lock; with one of its own; with the one given, a Lock or an RLock.
  template <Shareable T>
  towpath::RawValue<T> RawValue(const T& value = T{}) const {
    return towpath::RawValue<T>(value);
  }
  template <Shareable T>
  towpath::Value<T> Value(const T& value = T{}) const {
    return towpath::Value<T>(value);
  }
  template <Shareable T, class AnyLock>
  towpath::Value<T> Value(const T& value, const AnyLock& lock) const {
    return towpath::Value<T>(value, lock);
  }
  // The same of arrays. `values`: how many, or a range of them.
  template <Shareable T, class Values>
  towpath::RawArray<T> RawArray(Values&& values) const {
    return towpath::RawArray<T>(std::forward<Values>(values));
  }
  template <Shareable T, class Values>
  towpath::Array<T> Array(Values&& values) const {
    return towpath::Array<T>(std::forward<Values>(values));
  }
  template <Shareable T, class Values, class AnyLock>
  towpath::Array<T> Array(Values&& values, const AnyLock& lock) const {
    return towpath::Array<T>(std::forward<Values>(values), lock);
  }

  int cpu_count() const { return towpath::cpu_count(); }
  std::vector<Child> active_children() const { return towpath::active_children(); }
  CurrentProcess current_process() const { return towpath::current_process(); }
  std::optional<ParentProcess> parent_process() const { return towpath::parent_process(); }
  Logger get_logger() const { return towpath::get_logger(); }
  Logger log_to_stderr(std::optional<Level> level = std::nullopt) const {
    return towpath::log_to_stderr(level);
  }

  // Of this process, whatever the context's method; see there.
  void set_forkserver_preload(std::vector<void (*)()> functions) const {
    towpath::set_forkserver_preload(std::move(functions));
  }

 private:
  Method only(std::optional<Method> asked) const;

  Method method_;
};

// Of a method; of its name (Invalid names the three); of the program's default as it is now.
inline Context get_context(Method method) { return Context(method); }
inline Context get_context(std::string_view name) { return Context(parse_method(name)); }
inline Context get_context() { return Context(get_start_method()); }

inline Method Context::only(std::optional<Method> asked) const {
  if (asked && *asked != method_) {
    throw Invalid("a context of start method \"" + std::string(method_name(method_)) +
                  "\" was asked for one of \"" + std::string(method_name(*asked)) +
                  "\": take get_context of that, or leave the method out of the options");
  }
  return method_;
}

}  // namespace towpath
