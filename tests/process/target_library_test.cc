// Targets in shared libraries that the program opens while it runs.
#include <dlfcn.h>

#include <catch2/catch.hpp>

#include "helpers.h"
#include "towpath/process/throw_trace.h"

using namespace towpath;

namespace {

using Target = void (*)(int);

// The library of that name, built beside this program, as a file of the test's own.
std::string copy_library(const std::string& name, const std::string& to) {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  // A file that is mapped must not change beneath it: the new one comes under the same name.
  std::filesystem::remove(to);
  std::filesystem::copy_file(folder / name, to);
  return to;
}

class Library {
 public:
  explicit Library(const std::string& path) : handle_(::dlopen(path.c_str(), RTLD_NOW)) {
    if (handle_ == nullptr) throw std::runtime_error(::dlerror());
  }
  Library(const Library&) = delete;
  ~Library() { ::dlclose(handle_); }
  Target target() const { return reinterpret_cast<Target>(::dlsym(handle_, "exit_with")); }
  // Where its function throws.
  std::vector<CodeAddress> frames() const {
    const RecordThrows record;
    try {
      reinterpret_cast<void (*)()>(::dlsym(handle_, "throw_from_library"))();
    } catch (const std::runtime_error& error) {
      return throw_frames(&error, typeid(error));
    }
    return {};
  }

 private:
  void* handle_;
};

// The process is there for its lifetime.
class InFolder {
 public:
  explicit InFolder(const std::filesystem::path& folder)
      : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder);
  }
  InFolder(const InFolder&) = delete;
  ~InFolder() { std::filesystem::current_path(before_); }

 private:
  std::filesystem::path before_;
};

// In a child by any method.
void check_runs(Target target) {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Process process(Options{.method = method}, target, 5);
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.error().value_or("none") == "none");
    CHECK(process.exitcode() == 12);
  }
}

std::string error_of(Method method, Target target) {
  PipeEnds hidden;
  Process process(Options{.method = method, .stderr_fd = hidden.write.get()}, target, 5);
  process.start();
  REQUIRE(process.join(kSoon));
  CHECK(process.exitcode() == 1);
  return process.error().value_or("none");
}

}  // namespace

TEST_CASE("Target: a child loads the library that its parent has opened") {
  const TestFolder folder;
  const Library library(copy_library("libprocess_target.so", folder.path() + "/target.so"));
  check_runs(library.target());
}

TEST_CASE("Target: a library by a relative path is found from another folder") {
  const TestFolder folder;
  const InFolder in(folder.path());
  const std::string path = copy_library("libprocess_target.so", folder.path() + "/target.so");
  const Library library("./target.so");
  // A file that its path names from there, too, and that is not meant.
  std::filesystem::create_directory("below");
  copy_library("libprocess_other_target.so", folder.path() + "/below/target.so");
  const InFolder below("below");
  check_runs(library.target());
  std::filesystem::remove(path);
  CHECK_THAT(error_of(Method::kSpawn, library.target()),
             Catch::Contains(std::filesystem::canonical(folder.path()).string() +
                             "/target.so holds the target but is not loaded in the child"));
}

TEST_CASE("Target: a library that was rebuilt meanwhile is not run and the error says so") {
  const TestFolder folder;
  const std::string path = copy_library("libprocess_target.so", folder.path() + "/target.so");
  const Library library(path);
  copy_library("libprocess_other_target.so", path);
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    CAPTURE(method_name(method));
    CHECK_THAT(error_of(method, library.target()),
               Catch::Contains(path + " was replaced while the program ran: start the program"));
  }
}

TEST_CASE("Target: a library whose file is gone is named in the error") {
  const TestFolder folder;
  const std::string path = copy_library("libprocess_target.so", folder.path() + "/target.so");
  const Library library(path);
  std::filesystem::remove(path);
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    CAPTURE(method_name(method));
    CHECK_THAT(error_of(method, library.target()),
               Catch::Contains(path + " holds the target but is not loaded in the child") &&
                   Catch::Contains("No such file") && Catch::Contains("link the program with it"));
  }
}

TEST_CASE("Target: a throw in a library that is opened later shows its lines") {
  const TestFolder folder;
  const std::string path = copy_library("libprocess_target.so", folder.path() + "/target.so");
  std::vector<CodeAddress> frames;
  {
    const Library library(path);
    frames = library.frames();
    std::erase_if(frames, [&](const auto& each) { return each.module != path; });
    REQUIRE_FALSE(frames.empty());
  }
  // This also reads what is loaded without it.
  CHECK(lines_of(frames).starts_with("  at " + path + " + 0x"));
  const Library again(path);
  CHECK_THAT(lines_of(frames),
             Catch::Contains("at throw_from_library") && Catch::Contains("library.cc:"));
  const Library other(copy_library("libprocess_other_target.so", folder.path() + "/other.so"));
  CHECK_THAT(lines_of(other.frames()),
             Catch::Contains("at throw_from_library") && Catch::Contains("library.cc:"));
}

TEST_CASE("Target: a library without a build-id is known by its file from another folder") {
  const TestFolder folder;
  const InFolder in(folder.path());
  copy_library("libprocess_unnamed_target.so", folder.path() + "/target.so");
  const Library library("./target.so");
  std::filesystem::create_directory("below");
  const InFolder below("below");
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    CAPTURE(method_name(method));
    Process process(Options{.method = method}, library.target(), 5);
    process.start();
    REQUIRE(process.join(kSoon));
    CHECK(process.error().value_or("none") == "none");
    CHECK(process.exitcode() == 14);
  }
}
