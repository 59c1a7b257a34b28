#include "towpath/process/remote_error.h"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <system_error>

#include "towpath/process/throw_trace.h"

using namespace towpath;

namespace {

struct OwnError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What of an exception arrives in another process.
template <class F>
RemoteTrace sent(F throws) {
  const RecordThrows record;
  try {
    throws();
  } catch (...) {
    return from_bytes<RemoteTrace>(to_bytes(trace_of_current_exception()));
  }
  return {};
}

__attribute__((noipa)) int innermost(int x) {
  if (x > 0) throw std::out_of_range("row 7");
  return x;
}

template <class E>
bool arrives_as(const RemoteTrace& trace, const std::string& what) {
  try {
    std::rethrow_exception(exception_of(trace));
  } catch (const E& error) {
    CHECK(error.what() == what);
    REQUIRE(remote_of(error));
    CHECK(remote_of(error)->type == trace.type);
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

TEST_CASE("RemoteError: exceptions of the standard library and ours arrive as themselves") {
  CHECK(arrives_as<std::out_of_range>(sent([] { innermost(1); }), "row 7"));
  CHECK(arrives_as<std::bad_alloc>(sent([] { throw std::bad_alloc(); }), std::bad_alloc().what()));
  CHECK(arrives_as<Full>(sent([] { throw Full("no room"); }), "no room"));
  CHECK(arrives_as<Invalid>(sent([] { throw BufferTooShort("short", "message"); }), "short"));
  const auto code = sent([] { throw std::system_error(ENOENT, std::generic_category(), "open"); });
  try {
    std::rethrow_exception(exception_of(code));
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::no_such_file_or_directory);
    CHECK(std::string(error.what()) == "open: No such file or directory");
  }
  const auto call = sent([] { throw SystemError("open(x)", EACCES); });
  try {
    std::rethrow_exception(exception_of(call));
  } catch (const SystemError& error) {
    CHECK(error.error_number() == EACCES);
    CHECK(std::string(error.what()).starts_with("open(x)"));
  }
}

TEST_CASE("RemoteError: an exception of the user's own arrives with type and text") {
  const RemoteTrace trace = sent([] { throw OwnError("mine"); });
  CHECK(trace.type.ends_with("OwnError"));
  CHECK(arrives_as<RemoteError>(trace, text_of(trace)));
  CHECK(text_of(trace).find("OwnError: mine") != std::string::npos);
  const RemoteTrace number = sent([] { throw 42; });
  CHECK(number.type == "int");
  CHECK(number.message.empty());
  CHECK(arrives_as<RemoteError>(number, text_of(number)));
  CHECK(summary_of(number) == "an exception of type int");
  CHECK(text_of(number).starts_with("an exception of type int"));
}

TEST_CASE("RemoteError: the trace names file and line of the throw") {
  const std::string trace = lines_of(sent([] { innermost(1); }).frames);
  CHECK_THAT(trace, Catch::Contains("at innermost") && Catch::Contains("remote_error_test.cc:"));
  CHECK(trace.starts_with("  at "));
}

TEST_CASE("RemoteError: another exception meanwhile does not lend its trace") {
  const RemoteTrace trace = sent([] {
    try {
      throw std::runtime_error("outer");
    } catch (const std::runtime_error&) {
      try {
        innermost(1);
      } catch (const std::out_of_range&) {
      }
      throw;
    }
  });
  CHECK(trace.message == "outer");
  CHECK(trace.frames.empty());
}

TEST_CASE("RemoteError: what came from another process keeps its trace on the way up") {
  RemoteTrace first = sent([] { innermost(1); });
  first.trace = lines_of(std::exchange(first.frames, {}));
  first.worker = "Pool-1#1 (pid 17)";
  const RemoteTrace second = sent([&] { std::rethrow_exception(exception_of(first)); });
  CHECK(second.worker == first.worker);
  CHECK(second.trace == first.trace);
  CHECK(second.type == "std::out_of_range");
}

TEST_CASE("RemoteError: an exception of this process has none") {
  CHECK(remote_of(std::runtime_error("here")) == nullptr);
}
