#include "towpath/process/remote_error.h"

#include <cxxabi.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <future>
#include <ios>
#include <new>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <typeinfo>

#include "towpath/base/format.h"
#include "towpath/process/throw_trace.h"

namespace towpath {
namespace {

// What the exceptions that arrive as themselves have beside their type.
struct Carrier {
  explicit Carrier(RemoteTrace trace)
      : remote(std::make_shared<const RemoteTrace>(std::move(trace))) {}
  virtual ~Carrier() = default;
  Carrier(const Carrier&) = default;
  Carrier& operator=(const Carrier&) = default;
  std::shared_ptr<const RemoteTrace> remote;
};

template <class E>
class Arrived final : public E, public Carrier {
 public:
  template <class... A>
  explicit Arrived(RemoteTrace trace, A&&... args)
      : E(std::forward<A>(args)...), Carrier(std::move(trace)) {}
  // As it was there: a constructor may have added to it.
  const char* what() const noexcept override { return remote->message.c_str(); }
};

using Maker = std::exception_ptr (*)(RemoteTrace);

template <class E>
std::exception_ptr make(RemoteTrace trace) {
  if constexpr (std::is_constructible_v<E, const std::string&>) {
    const std::string message = trace.message;
    return std::make_exception_ptr(Arrived<E>(std::move(trace), message));
  } else {
    return std::make_exception_ptr(Arrived<E>(std::move(trace)));
  }
}

template <class E>
std::exception_ptr make_system_error(RemoteTrace trace) {
  const int code = static_cast<int>(trace.code);
  const std::error_category& category =
      trace.category == "generic" ? std::generic_category() : std::system_category();
  return std::make_exception_ptr(Arrived<E>(std::move(trace), std::error_code(code, category)));
}

struct Known {
  const std::type_info* type;
  Maker make;
};

// A type with its maker.
template <class E>
Known known() {
  return {&typeid(E), &make<E>};
}

// Every type that can arrive as itself. BufferTooShort would need its message: it arrives as the
// Invalid it is.
const auto& known_types() {
  static const std::array types{
      known<std::exception>(),
      known<std::logic_error>(),
      known<std::invalid_argument>(),
      known<std::domain_error>(),
      known<std::length_error>(),
      known<std::out_of_range>(),
      known<std::runtime_error>(),
      known<std::range_error>(),
      known<std::overflow_error>(),
      known<std::underflow_error>(),
      known<std::bad_alloc>(),
      known<std::bad_array_new_length>(),
      known<std::bad_cast>(),
      known<std::bad_typeid>(),
      known<std::bad_function_call>(),
      known<std::bad_exception>(),
      Known{&typeid(std::system_error), &make_system_error<std::system_error>},
      known<Error>(),
      known<Invalid>(),
      known<NotSerialisable>(),
      known<Timeout>(),
      known<Full>(),
      known<Empty>(),
      known<Closed>(),
      known<EndOfStream>(),
      known<AuthenticationError>(),
      known<Unsupported>(),
      Known{&typeid(BufferTooShort), &make<Invalid>},
      Known{&typeid(SystemError),
            [](RemoteTrace trace) {
              const int code = static_cast<int>(trace.code);
              return std::make_exception_ptr(
                  Arrived<SystemError>(std::move(trace), std::string_view(), code));
            }},
      known<Bug>()};
  return types;
}

}  // namespace

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : type.name();
}

RemoteError::RemoteError(RemoteTrace trace)
    : Error(text_of(trace)), remote_(std::make_shared<const RemoteTrace>(std::move(trace))) {}

const RemoteTrace* remote_of(const std::exception& error) {
  if (const auto* remote = dynamic_cast<const RemoteError*>(&error)) return &remote->remote();
  const auto* carrier = dynamic_cast<const Carrier*>(&error);
  return carrier == nullptr ? nullptr : carrier->remote.get();
}

RemoteTrace trace_of_current_exception() {
  RemoteTrace trace;
  try {
    throw;
  } catch (const std::exception& error) {
    if (const RemoteTrace* remote = remote_of(error)) return *remote;
    trace.type = type_name(typeid(error));
    trace.message = error.what();
    trace.frames = throw_frames(dynamic_cast<const void*>(&error), typeid(error));
    if (const auto* system = dynamic_cast<const std::system_error*>(&error)) {
      trace.code = system->code().value();
      trace.category = system->code().category().name();
    } else if (const auto* call = dynamic_cast<const SystemError*>(&error)) {
      trace.code = call->error_number();
    }
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    trace.type = type == nullptr ? "unknown" : type_name(*type);
    if (type != nullptr) trace.frames = throw_frames(nullptr, *type);
  }
  return trace;
}

void show_frames(RemoteTrace& trace) {
  if (trace.trace.empty()) trace.trace = lines_of(trace.frames);
  trace.frames.clear();
}

std::exception_ptr exception_of(RemoteTrace trace) {
  static const auto names = [] {
    std::array<std::string, std::tuple_size_v<std::decay_t<decltype(known_types())>>> all;
    for (size_t i = 0; i < all.size(); ++i) all[i] = type_name(*known_types()[i].type);
    return all;
  }();
  show_frames(trace);
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == trace.type) return known_types()[i].make(std::move(trace));
  }
  return std::make_exception_ptr(RemoteError(std::move(trace)));
}

std::string summary_of(const RemoteTrace& trace) {
  if (trace.message.empty()) return "an exception of type " + trace.type;
  return trace.type + ": " + trace.message;
}

std::string text_of(const RemoteTrace& trace) {
  std::string text = summary_of(trace);
  if (!trace.worker.empty()) {
    text += "\n  in " + trace.worker;
    if (trace.task >= 0) text += format(", task {}", trace.task);
  }
  const std::string lines = trace.trace.empty() ? lines_of(trace.frames) : trace.trace;
  if (!lines.empty()) text += "\n" + lines;
  return text;
}

}  // namespace towpath
