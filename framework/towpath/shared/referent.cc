#include "towpath/shared/referent.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/process/remote_error.h"
#include "towpath/shared/exposes.h"

namespace towpath::managed {

Stored Cutter::cut(std::string_view part) {
  const auto begin = static_cast<uint64_t>(part.data() - message_.data());
  Stored stored{std::string(part)};
  while (next_ != end_ && next_->at < begin) ++next_;
  for (; next_ != end_ && next_->at < begin + part.size(); ++next_)
    stored.refers.push_back(caller_.find(next_->object));
  return stored;
}

Invocation::Invocation(std::string_view message, std::string_view arguments,
                       const std::vector<Held>& held, Caller& by)
    : in(arguments), caller(by), left_(in.array()), cutter_(message, held, by) {}

Invocation::~Invocation() {
  if (not_taken) not_taken();
}

void Invocation::take_one() {
  if (left_ == 0) throw Invalid("a call with too few arguments");
  --left_;
}

void Invocation::require_end() const {
  if (left_ != 0) throw Invalid(format("a call with {} arguments too many", left_));
}

Stored Invocation::take_stored() {
  take_one();
  return cutter_.cut(in.raw());
}

void Invocation::give(const Stored& value) {
  out.raw(value.bytes);
  for (const auto& object : value.refers) caller.keep_for_transit(object);
}

void Invocation::release(Stored&& value) {
  for (auto& object : value.refers) released_.push_back(std::move(object));
  value.refers.clear();
}

std::string ObjectType::exposed() const {
  std::string all;
  for (const auto& [method, what] : methods) all += (all.empty() ? "" : ", ") + method;
  return all;
}

const std::string& name_of_method(const ObjectType& type, const void* tag) {
  for (const auto& [name, method] : type.methods) {
    if (method.tag == tag) return name;
  }
  throw Invalid(format("this method is not exposed by {}::expose; exposed are {}", type.name,
                       type.exposed()));
}

void Referent::call(std::string_view method, Invocation& invocation) {
  const auto found = type_.methods.find(method);
  if (found == type_.methods.end()) {
    RemoteTrace trace;
    trace.type = kNotExposed;
    trace.message = format("\"{}\" is no exposed method of {}; exposed are {}",
                           method.substr(0, 100), type_.name, type_.exposed());
    throw RemoteError(std::move(trace));
  }
  std::unique_lock lock(calls_, std::defer_lock);
  if (!type_.concurrent) lock.lock();
  found->second.call(*this, invocation);
}

}  // namespace towpath::managed
