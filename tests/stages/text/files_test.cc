#include "stages/text/files.h"

#include <catch2/catch.hpp>

#include "input/temp_folder.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/stage/stage_tester.h"

using namespace towpath;
using Catch::Matchers::Contains;

namespace {

// Takes what a batch cut would be, to see where read() ends one.
class Batches final : public BatchConsumer {
 public:
  std::vector<std::string> batches;
  void consume(int, BatchBuilder& builder) override {
    const Batch batch = builder.to_batch();
    std::string& names = batches.emplace_back();
    for (int64_t row = 0; row < batch.rows(); ++row) {
      const std::string_view path = batch.strings("path")[row];
      names += path.substr(path.rfind('/') + 1);
    }
  }
  void part(std::string_view) override {}
};

class NoServices final : public Services {
 public:
  Counter& counter(std::string_view) override { return counter_; }
  std::string temp_file() override { throw Bug("no temp file here"); }

 private:
  Counter counter_;
};

}  // namespace

TEST_CASE("files: names files in order of their paths with their sizes") {
  const TempFolder folder;
  const std::string b = folder.file("b.csv", "12345"), a = folder.file("x/a.csv", ""),
                    z = folder.file("z.txt", "1");
  StageTester tester(stage_entry<Files>(),
                     format("files: [\"{0}/z.txt\", \"{0}/**/*.csv\"]", folder.path()));
  const auto result = tester.read();
  CHECK(result.rows == StageTester::Rows{{{"path", b}, {"size", 5}},
                                         {{"path", a}, {"size", 0}},
                                         {{"path", z}, {"size", 1}}});
  CHECK(result.positions.at(0).file == b);
}

TEST_CASE("files: a batch names at most 8 MiB but at least one file") {
  const TempFolder folder;
  for (const auto& [name, mib] : {std::pair{"a", 9}, {"b", 4}, {"c", 3}, {"d", 2}, {"e", 1}}) {
    std::filesystem::resize_file(folder.file(name, ""), static_cast<uintmax_t>(mib) << 20);
  }
  Settings::Context context;
  context.batch_rows = 65536;
  Object values;
  values.set("path", Object::Array{folder / "*"});
  Files files(Settings(values, context));
  NoServices services;
  files.open(services, std::nullopt);
  Batches batches;
  Outputs out("files", {{"", {{"path", Type::kString}, {"size", Type::kInt}}}}, 65536, batches);
  Source::Read read;
  do {
    out.begin();
    read = files.read(out);
    out.flush();
  } while (read.state == Source::Read::kMore);
  CHECK(batches.batches == std::vector<std::string>{"a", "bc", "de"});
  CHECK(read.done == 19 << 20);
  CHECK(read.total == 19 << 20);
}

TEST_CASE("files: patterns without a file are an error") {
  const TempFolder folder;
  StageTester tester(stage_entry<Files>(), format("files: {}/*.csv", folder.path()));
  CHECK_THROWS_WITH(tester.read(), Contains("no file matches"));
  CHECK_THROWS_AS(StageTester(stage_entry<Files>(), "files:").read(), Invalid);
}
