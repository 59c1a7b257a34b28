#include "towpath/pool/pool.h"

namespace towpath {
namespace {

// Of arguments in a parcel of map_async: small, because it is cut where it is shared out.
constexpr size_t kParcelBytes = size_t{16} << 10;
constexpr uint32_t kParcelTasks = 1024;

}  // namespace

Pool::Pool(int workers) : Pool(PoolOptions{.workers = workers}) {}
Pool::Pool(PoolOptions options) : Pool(std::move(options), pools::Engine::Workers::kAtOnce) {}
Pool::Pool(PoolOptions options, pools::Engine::Workers workers)
    : engine_(std::make_shared<pools::Engine>(std::move(options), workers)) {
  engine_->start();
}
Pool::Pool(Pool&&) noexcept = default;
Pool& Pool::operator=(Pool&& other) noexcept {
  Pool taken(std::move(other));  // then ends what stood here
  std::swap(engine_, taken.engine_);
  return *this;
}
Pool::~Pool() {
  if (engine_) engine_->finish();
}

std::shared_ptr<pools::FutureState> Pool::submit(pools::Code code, std::string arguments,
                                                 const TaskOptions& task,
                                                 OutgoingNames::Copies named) {
  auto state = std::make_shared<pools::FutureState>(engine_, 1, std::move(named));
  pools::Parcel parcel;
  parcel.receiver = state;
  parcel.arguments = std::move(arguments);
  parcel.deadline = task.deadline.value_or(engine_->options().deadline);
  parcel.retries = task.retries.value_or(engine_->options().retries);
  engine_->submit_one(code, std::move(parcel));
  return state;
}

std::shared_ptr<pools::FutureState> Pool::submit_all(pools::Code code,
                                                     const pools::Stream::Pull& pull,
                                                     size_t chunk) {
  pools::Parcel next;
  next.code = engine_->number_of(code);
  next.deadline = engine_->options().deadline;
  next.retries = engine_->options().retries;
  next.together = chunk > 1;
  const uint32_t most = chunk > 1 ? pools::tasks_of_chunk(chunk) : kParcelTasks;
  std::vector<pools::Parcel> parcels;
  OutgoingNames names;
  Encoder arguments;
  const auto put = [&] {
    if (next.count == 0) return;
    next.arguments = arguments.take();
    parcels.push_back(next);
    next.first += next.count;
    next.count = 0;
  };
  while (pull(arguments)) {
    if (++next.count >= most || (chunk <= 1 && arguments.bytes().size() >= kParcelBytes)) put();
  }
  put();
  auto state = std::make_shared<pools::FutureState>(engine_, next.first, names.take());
  if (parcels.empty()) state->take(0, 0, {}, false);
  try {
    for (pools::Parcel& parcel : parcels) {
      parcel.receiver = state;
      engine_->submit(std::move(parcel));
    }
  } catch (...) {
    state->cancelled = true;  // what is under way is for nobody
    throw;
  }
  return state;
}

const std::string& Pool::name() const { return engine_->options().name; }
int Pool::workers() const { return engine_->workers(); }
void Pool::resize(int workers) { engine_->resize(workers); }
std::vector<pools::Engine::WorkerInfo> Pool::processes() const { return engine_->members(); }
void Pool::close() { engine_->close(); }
void Pool::terminate() { engine_->terminate(); }
void Pool::kill() { engine_->terminate(true); }
void Pool::cancel_queued() { engine_->cancel_queued(); }
bool Pool::join(Millis timeout) { return engine_->join(timeout); }
bool Pool::closed() const { return engine_->closed(); }

}  // namespace towpath
