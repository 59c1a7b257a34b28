#include "towpath/shared/remote_update.h"

#include <map>
#include <mutex>
#include <optional>

#include "towpath/base/error.h"
#include "towpath/shared/manager_client.h"

namespace towpath::managed {
namespace {

// What was looked up stays: programs have few functions.
template <class Key, class Value>
class Known {
 public:
  template <class Find>
  Value get(const Key& key, Find find) {
    const std::lock_guard lock(mutex_);
    const auto known = all_.find(key);
    if (known != all_.end()) return known->second;
    return all_.emplace(key, find()).first->second;
  }

 private:
  std::mutex mutex_;
  std::map<Key, Value> all_;
};

const CodeAddress& located(const void* code) {
  static auto* const known = new Known<const void*, const CodeAddress*>;
  return *known->get(code, [code] { return new CodeAddress(locate_code(code)); });
}

void* resolved(const CodeAddress& code) {
  static auto* const known = new Known<std::pair<std::string, uint64_t>, void*>;
  return known->get({code.stamp, code.offset}, [&code] { return resolve_code(code); });
}

}  // namespace

void throw_nothing_to_begin_with() {
  throw Invalid(
      "update: there is no such key, and its type has no value to begin with: set() first");
}

RemoteFunction locate_function(Call::Function function, const void* thunk) {
  return {located(reinterpret_cast<const void*>(function)), located(thunk)};
}

Updated run_update(Invocation& invocation, const std::string* current) {
  invocation.caller.require_functions();
  const auto code = invocation.take<RemoteFunction>();
  const Stored arguments = invocation.take_stored();
  const auto function = reinterpret_cast<Call::Function>(resolved(code.function));
  const auto thunk = reinterpret_cast<UpdateThunk>(resolved(code.thunk));
  Decoder in(arguments.bytes);
  std::optional<Decoder> value;
  if (current != nullptr) value.emplace(*current);
  Encoder out;
  const OutgoingReferences outgoing(out, invocation.caller.instance());
  thunk(function, value ? &*value : nullptr, in, out, invocation.out);
  return {out.take(), outgoing.held()};
}

}  // namespace towpath::managed
