#pragma once
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace towpath {

// Every error that Towpath throws. The kinds say what the caller can do:
//   Invalid      correct the call or the input
//   Timeout      try again later
//   Closed       reconnect or stop: the other side will not answer again
//   Unsupported  choose another way
//   SystemError  a system call failed; names the call, its arguments and errno
//   Bug          a mistake of ours; carries the source file and line
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Invalid : public Error {
 public:
  using Error::Error;
};
// The message that did not fit comes with it, whole.
class BufferTooShort : public Invalid {
 public:
  BufferTooShort(const std::string& what, std::string message)
      : Invalid(what), message_(std::make_shared<const std::string>(std::move(message))) {}
  const std::string& message() const { return *message_; }

 private:
  std::shared_ptr<const std::string> message_;  // shared, because an exception is copied
};
class NotSerialisable : public Invalid {
 public:
  using Invalid::Invalid;
};

class Timeout : public Error {
 public:
  using Error::Error;
};
class Full : public Timeout {
 public:
  using Timeout::Timeout;
};
class Empty : public Timeout {
 public:
  using Timeout::Timeout;
};

class Closed : public Error {
 public:
  using Error::Error;
};
class EndOfStream : public Closed {
 public:
  using Closed::Closed;
};
class AuthenticationError : public Closed {
 public:
  using Closed::Closed;
};

class Unsupported : public Error {
 public:
  using Error::Error;
};

class SystemError : public Error {
 public:
  // `call` names the system call and its arguments, as in "open(data/a.csv)". Where a limit is
  // reached, the text says which, and the way out.
  SystemError(std::string_view call, int error_number);
  int error_number() const { return error_number_; }

 private:
  int error_number_;
};

class Bug : public Error {
 public:
  explicit Bug(std::string_view what, std::source_location where = std::source_location::current());
};

// Throws SystemError with the current errno.
[[noreturn]] void throw_errno(std::string_view call);

// Throws Bug when `holds` is false. For what can only be false by a mistake of ours.
inline void expect(bool holds, std::string_view what,
                   std::source_location where = std::source_location::current()) {
  if (!holds) throw Bug(what, where);
}

}  // namespace towpath
