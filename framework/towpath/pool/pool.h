#pragma once
#include <concepts>
#include <functional>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "towpath/pool/errors.h"
#include "towpath/pool/future.h"
#include "towpath/pool/options.h"
#include "towpath/pool/results.h"
#include "towpath/pool/task.h"

namespace towpath {

namespace pools {

template <class F>
using MapResult = std::conditional_t<std::is_void_v<ResultOf<F>>, void, std::vector<HeldOf<F>>>;

// What stands in braces: the arguments of the calls, or tuples of them.
template <class F>
using Listed = std::initializer_list<typename calls::Signature<F>::One>;
template <class F>
using ListedTuples = std::initializer_list<typename calls::Signature<F>::All>;

template <class List, class In>
concept InputBut = !std::same_as<List, std::remove_cvref_t<In>>;

template <class T>
std::vector<T> copied(std::initializer_list<T> list) {
  return list;
}

// An input range while it is walked; by reference when it is an lvalue.
template <class In>
class Walk {
 public:
  explicit Walk(In&& input) : range_(std::views::all(std::forward<In>(input))) {}
  // False: it has ended.
  bool next() {
    if (begun_) {
      ++at_;
    } else {
      at_ = std::ranges::begin(range_);
      begun_ = true;
    }
    return at_ != std::ranges::end(range_);
  }
  decltype(auto) operator*() const { return *at_; }

 private:
  using Range = std::views::all_t<In>;
  Range range_;
  std::ranges::iterator_t<Range> at_{};
  bool begun_ = false;
};

template <class In>
constexpr bool is_tuple_range() {
  if constexpr (std::ranges::input_range<In>) {
    return requires(std::remove_cvref_t<std::ranges::range_reference_t<In>> each) {
      std::tuple_size<decltype(each)>::value;
    };
  } else {
    return true;
  }
}

// Encodes the arguments of the next call: an element of each input, until the shortest ends. kStar:
// the elements of the one input are tuples of all arguments.
template <bool kStar, class F, class... In>
Stream::Pull puller(In&&... inputs) {
  constexpr bool kRanges = (std::ranges::input_range<In> && ...);
  static_assert(kRanges,
                "the input is a range (or a list in braces); to call the function once take apply");
  constexpr bool kTuples = !kStar || (is_tuple_range<In>() && ...);
  static_assert(kTuples,
                "the input of starmap is a range of tuples, pairs or std::arrays, each with all "
                "arguments of a call; for a function of one parameter take map");
  if constexpr (!kRanges || !kTuples || !Target<F>) {
    return {};
  } else {
    auto walks = std::make_shared<std::tuple<Walk<In>...>>(Walk<In>(std::forward<In>(inputs))...);
    return [walks](Encoder& out) {
      const auto encode_all = [&out](auto&&... each) {
        encode_arguments<F>(out, std::forward<decltype(each)>(each)...);
      };
      return std::apply(
          [&encode_all](auto&... walk) {
            if (!(walk.next() && ...)) return false;
            if constexpr (kStar) {
              std::apply(encode_all, *walk...);
            } else {
              encode_all(*walk...);
            }
            return true;
          },
          *walks);
    };
  }
}

}  // namespace pools

// Worker processes that run tasks: functions, or lambdas without captures, with their arguments.
//
// Workers    PoolOptions.workers, all started by the constructor; if one can't be started the
//            others are stopped and it throws. One that dies, is recycled or killed is replaced.
//            They ignore SIGINT; nothing survives this process, or its being killed.
// Death      of a worker fails the one task it ran (WorkerDied: worker, signal, task), or runs it
//            again, up to `retries` times. Tasks that waited for that worker go to another; results
//            it had are not lost. A worker whose task wrote over what it shares with the pool is
//            killed; where it is not known what it had begun, all that it had fails.
// Input      map, starmap and imap pull it as results are taken, on the caller's thread: an endless
//            one is fine; so walk imap's results before close(). (Python reads all input ahead.)
//            The _async ones read it all at once, before they return.
// Batches    tasks travel many to a message, as many as take about half a millisecond (measured);
//            what a worker holds and has not begun goes to one that is idle. `chunk` > 1: so many
//            neighbours stay together in one worker, unless it gets stuck or dies.
// Errors     in an order: of map and starmap the first in input order; what is not begun then is
//            dropped. NotSerialisable: an argument, or (of the task) a result. A failing
//            initializer breaks the pool: all tasks fail with its error, submitting throws it.
//            Closed: after close() or terminate().
// Threads    any may submit. It has a thread of its own, on which callbacks run.
// Processes  one. In a child of fork every use is Invalid, and its end nothing.
// Fork       by kFork only the first workers start, in the constructor (Unsupported in a process
//            with threads, such as another pool's). From then on the pool has a thread itself, so
//            those that replace or join them come from the forkserver, and have nothing of this
//            process's memory; the log says so.
// Descriptors  10 for each worker, and 2; 2 more for the forkserver, once in this process. While
//            workers start, some more for a moment. (ulimit -n)
// Exits      a worker that was told to end has PoolOptions.exit_grace for it. exit() of this
//            process terminates the pool.
// Destructor terminates.
// Source     Python's multiprocessing.Pool, where a worker's death hangs it, map swallows all
//            input, a running task can't be ended, and join may never return. Its callback
//            arguments are Future::add_done_callback here; imap's chunk size is in stream(). Of
//            joblib's loky there is no pool that all share (get_reusable_executor: keep one, and
//            resize it), and large arrays are not mapped unasked: pass an Array or SharedMemory,
//            which is a name.
class Pool {
 public:
  explicit Pool(int workers = 0);  // 0: cores_of_pools()
  explicit Pool(PoolOptions options);
  Pool(Pool&&) noexcept;
  Pool& operator=(Pool&&) noexcept;
  ~Pool();

  // One call, waited for.
  template <class F, class... A>
  auto apply(F function, A&&... args) -> pools::ResultOf<F> {
    return apply_async(function, std::forward<A>(args)...).get();
  }
  template <class F, class... A>
  requires(!std::same_as<F, TaskOptions>) auto apply_async(F function, A&&... args)
      -> Future<pools::ResultOf<F>> {
    return apply_async(TaskOptions{}, function, std::forward<A>(args)...);
  }
  template <class F, class... A>
  auto apply_async(const TaskOptions& task, F function, A&&... args) -> Future<pools::ResultOf<F>> {
    using R = pools::ResultOf<F>;
    OutgoingNames names;
    Encoder arguments;
    pools::encode_arguments<F>(arguments, std::forward<A>(args)...);
    return {submit(pools::code_of(function), arguments.take(), task, names.take()),
            [](const pools::FutureState& state) -> R {
              const auto& part = state.parts().front();
              Decoder in(part.outcomes);
              if (part.thrown) pools::throw_remote(in, part.first);
              if constexpr (!std::is_void_v<R>) return pools::decode_result<R>(in);
            }};
  }

  // Results in input order; nothing, if the function returns nothing. The input is a range, or a
  // list in braces.
  template <class F, class In>
  requires pools::InputBut<pools::Listed<F>, In>
  auto map(F function, In&& input, size_t chunk = 0) -> pools::MapResult<F> {
    return collect<false>(function, std::forward<In>(input), {.chunk = chunk});
  }
  template <class F>
  auto map(F function, pools::Listed<F> input, size_t chunk = 0) -> pools::MapResult<F> {
    return map(function, pools::copied(input), chunk);
  }
  // Elements are tuples (or pairs, or arrays) of the function's arguments.
  template <class F, class In>
  requires pools::InputBut<pools::ListedTuples<F>, In>
  auto starmap(F function, In&& input, size_t chunk = 0) -> pools::MapResult<F> {
    return collect<true>(function, std::forward<In>(input), {.chunk = chunk});
  }
  template <class F>
  auto starmap(F function, pools::ListedTuples<F> input, size_t chunk = 0) -> pools::MapResult<F> {
    return starmap(function, pools::copied(input), chunk);
  }

  template <class F, class In>
  requires pools::InputBut<pools::Listed<F>, In>
  auto map_async(F function, In&& input, size_t chunk = 0) -> Future<pools::MapResult<F>> {
    return collect_async<false>(function, std::forward<In>(input), chunk);
  }
  template <class F>
  auto map_async(F function, pools::Listed<F> input, size_t chunk = 0)
      -> Future<pools::MapResult<F>> {
    return map_async(function, pools::copied(input), chunk);
  }
  template <class F, class In>
  requires pools::InputBut<pools::ListedTuples<F>, In>
  auto starmap_async(F function, In&& input, size_t chunk = 0) -> Future<pools::MapResult<F>> {
    return collect_async<true>(function, std::forward<In>(input), chunk);
  }
  template <class F>
  auto starmap_async(F function, pools::ListedTuples<F> input, size_t chunk = 0)
      -> Future<pools::MapResult<F>> {
    return starmap_async(function, pools::copied(input), chunk);
  }

  // Results as they are walked, in input order. Of the input at most `ahead` elements are pulled
  // whose results were not yet taken; 0: as many as keep the workers busy. An lvalue input must
  // outlive the results.
  template <class F, class In>
  requires pools::InputBut<pools::Listed<F>, In>
  auto imap(F function, In&& input, size_t ahead = 0) -> Results<pools::HeldOf<F>> {
    return stream<false>({.ahead = ahead}, function, std::forward<In>(input));
  }
  template <class F>
  auto imap(F function, pools::Listed<F> input, size_t ahead = 0) -> Results<pools::HeldOf<F>> {
    return imap(function, pools::copied(input), ahead);
  }
  // The same, each as soon as it is there.
  template <class F, class In>
  requires pools::InputBut<pools::Listed<F>, In>
  auto imap_unordered(F function, In&& input, size_t ahead = 0) -> Results<pools::HeldOf<F>> {
    return stream<false>({.ahead = ahead, .order = pools::Order::kCompletion}, function,
                         std::forward<In>(input));
  }
  template <class F>
  auto imap_unordered(F function, pools::Listed<F> input, size_t ahead = 0)
      -> Results<pools::HeldOf<F>> {
    return imap_unordered(function, pools::copied(input), ahead);
  }
  // With all limits, for what stands above.
  template <bool kStar, class F, class... In>
  auto stream(const pools::Stream::Limits& limits, F function, In&&... inputs)
      -> Results<pools::HeldOf<F>> {
    return {engine_, pools::code_of(function), pools::puller<kStar, F>(std::forward<In>(inputs)...),
            limits};
  }

  const std::string& name() const;
  int workers() const;
  // More start at once; fewer: those that are idle end first, others after what they run.
  void resize(int workers);
  // Names and process ids of the workers there are.
  std::vector<pools::Engine::WorkerInfo> processes() const;

  // No more tasks; workers end when all are done.
  void close();
  // Fails all that is queued and runs (Closed), ends the workers: the pill to the idle, SIGTERM to
  // the others, SIGKILL after a second. Returns when they have ended.
  void terminate();
  // SIGKILL at once.
  void kill();
  // Fails what has not begun as Cancelled.
  void cancel_queued();
  // Waits for the end of all workers: true. Invalid before close() and terminate().
  bool join(Millis timeout = kForever);
  bool closed() const;

 private:
  friend class Executor;
  Pool(PoolOptions options, pools::Engine::Workers workers);

  std::shared_ptr<pools::FutureState> submit(pools::Code code, std::string arguments,
                                             const TaskOptions& task, OutgoingNames::Copies named);
  std::shared_ptr<pools::FutureState> submit_all(pools::Code code, const pools::Stream::Pull& pull,
                                                 size_t chunk);

  template <bool kStar, class F, class In>
  auto collect(F function, In&& input, const pools::Stream::Limits& limits) -> pools::MapResult<F> {
    using R = pools::HeldOf<F>;
    pools::Stream stream(engine_, pools::code_of(function),
                         pools::puller<kStar, F>(std::forward<In>(input)), limits);
    std::vector<R> results;
    if constexpr (std::ranges::sized_range<In>) results.reserve(std::ranges::size(input));
    while (auto next = stream.next()) {
      if (next->error) std::rethrow_exception(next->error);
      Decoder in(next->bytes);
      for (uint64_t i = 0; i < next->count; ++i) {
        if (next->thrown) pools::throw_remote(in, next->first + i);
        results.push_back(pools::decode_result<R>(in));
      }
      stream.used(next->count);
    }
    if constexpr (!std::is_void_v<pools::MapResult<F>>) return results;
  }

  template <bool kStar, class F, class In>
  auto collect_async(F function, In&& input, size_t chunk) -> Future<pools::MapResult<F>> {
    using R = pools::HeldOf<F>;
    return {submit_all(pools::code_of(function), pools::puller<kStar, F>(std::forward<In>(input)),
                       chunk),
            [](const pools::FutureState& state) -> pools::MapResult<F> {
              std::vector<R> results;
              for (const auto& part : state.parts()) {
                Decoder in(part.outcomes);
                for (uint64_t i = 0; i < part.count; ++i) {
                  if (part.thrown) pools::throw_remote(in, part.first + i);
                  results.push_back(pools::decode_result<R>(in));
                }
              }
              if constexpr (!std::is_void_v<pools::MapResult<F>>) return results;
            }};
  }

  std::shared_ptr<pools::Engine> engine_;
};

}  // namespace towpath
