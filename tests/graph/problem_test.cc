#include <catch2/catch.hpp>

#include "graph/catalogue.h"

using towpath::PlanOptions;
using towpath::testing::make_plan;
using towpath::testing::problems_of;

namespace {

const std::string kRead = "  a: { csv.read: x.csv }\n";
const std::string kWrite = "  out: { from: a, discard: {} }\n";

}  // namespace

TEST_CASE("Check: an unknown option of a stage names the nearest option or kind") {
  CHECK(problems_of(kRead + "  clean:\n"
                            "    from: a\n"
                            "    fitler: qty > 0\n"
                            "  out: { from: clean, discard: {} }\n") ==
        "conf/a.yaml:6:5: error: stage \"clean\" has no option \"fitler\"\n"
        "    fitler: qty > 0\n"
        "    ^~~~~~ did you mean \"filter\"?\n");
  CHECK(problems_of(kRead + "  out: { form: a, discard: {} }\n").find("did you mean \"from\"?") !=
        std::string::npos);
  CHECK(problems_of(kRead + "  out: { from: a, discard: {}, attempts: 3 }\n") ==
        "conf/a.yaml:4:32: error: stage \"out\" has no option \"attempts\"\n"
        "  out: { from: a, discard: {}, attempts: 3 }\n"
        "                               ^~~~~~~~ options: from, steps, workers, order, "
        "start_method, env; towpath stages lists all kinds\n");
}

TEST_CASE("Check: an unknown option of the pipeline names the nearest") {
  CHECK(make_plan("towpath: 1\nstges:\n  a: 1\n").problems ==
        "conf/a.yaml:1:1: error: the pipeline has no stages\n"
        "towpath: 1\n"
        "^ add stages:\n"
        "conf/a.yaml:2:1: error: the pipeline has no option \"stges\"\n"
        "stges:\n"
        "^~~~~ did you mean \"stages\"?\n");
}

TEST_CASE("Check: an unknown kind among steps names the nearest") {
  CHECK(problems_of(kRead + "  b:\n"
                            "    from: a\n"
                            "    steps:\n"
                            "      - fliter: qty > 0\n"
                            "      - { map: { x: qty }, filter: x > 0 }\n"
                            "  out: { from: b, discard: {} }\n") ==
        "conf/a.yaml:7:9: error: stage \"b\", step 1: there is no kind \"fliter\"\n"
        "      - fliter: qty > 0\n"
        "        ^~~~~~ did you mean \"filter\"?\n"
        "conf/a.yaml:8:9: error: stage \"b\", step 2 is not one kind\n"
        "      - { map: { x: qty }, filter: x > 0 }\n"
        "        ^ write - kind: ...\n");
}

TEST_CASE("Check: a stage has exactly one kind") {
  CHECK(problems_of(kRead + "  b: { from: a, filter: qty > 0, sort: qty }\n"
                            "  c: { from: a }\n"
                            "  d: filter\n"
                            "  e:\n"
                            "  f: { from: b, discard: {} }\n"
                            "  g: { from: c, discard: {} }\n"
                            "  h: { from: [d], discard: {} }\n"
                            "  i: { from: e, discard: {} }\n") ==
        "conf/a.yaml:4:34: error: stage \"b\" has two kinds\n"
        "  b: { from: a, filter: qty > 0, sort: qty }\n"
        "                                 ^~~~ a stage has one kind; put several under steps\n"
        "conf/a.yaml:5:3: error: stage \"c\" has no kind\n"
        "  c: { from: a }\n"
        "  ^ add one, such as filter: ..., or steps; towpath stages lists them\n"
        "conf/a.yaml:6:6: error: stage \"d\" is not a map\n"
        "  d: filter\n"
        "     ^~~~~~ write kind: { ... } below its name\n"
        "conf/a.yaml:7:3: error: stage \"e\" is not a map\n"
        "  e:\n"
        "  ^ write kind: { ... } below its name\n");
}

TEST_CASE("Check: an unknown stage in from names the nearest") {
  CHECK(problems_of("  sales: { csv.read: x.csv }\n"
                    "  out: { from: [sale, elsewhere, sales.bad], discard: {} }\n") ==
        "conf/a.yaml:4:17: error: stage \"out\" reads from \"sale\", which is no stage\n"
        "  out: { from: [sale, elsewhere, sales.bad], discard: {} }\n"
        "                ^~~~ did you mean \"sales\"?\n"
        "conf/a.yaml:4:23: error: stage \"out\" reads from \"elsewhere\", which is no stage\n"
        "  out: { from: [sale, elsewhere, sales.bad], discard: {} }\n"
        "                      ^~~~~~~~~ stages: sales, out\n"
        "conf/a.yaml:4:40: error: stage \"sales\" has no output \"bad\"\n"
        "  out: { from: [sale, elsewhere, sales.bad], discard: {} }\n"
        "                                       ^~~ write from: sales\n");
}

TEST_CASE("Check: a cycle is named by its path") {
  CHECK(problems_of("  a: { from: c, filter: true }\n"
                    "  b: { from: a, filter: true }\n"
                    "  c: { from: b, filter: true }\n"
                    "  d: { from: d, filter: true }\n"
                    "  out: { from: c, discard: {} }\n"
                    "  out2: { from: d, discard: {} }\n") ==
        "conf/a.yaml:3:14: error: stages read each other in a cycle: a -> b -> c -> a\n"
        "  a: { from: c, filter: true }\n"
        "             ^ rows must flow from sources to sinks\n"
        "conf/a.yaml:6:14: error: stage \"d\" reads itself\n"
        "  d: { from: d, filter: true }\n"
        "             ^ rows must flow from sources to sinks\n");
}

TEST_CASE("Check: stages that no row reaches or leaves are named") {
  CHECK(problems_of("  a: { csv.read: x.csv }\n"
                    "  b: { from: a, filter: qty > 0 }\n"
                    "  c: { filter: qty > 0 }\n"
                    "  d: { from: a, generate: 5 }\n"
                    "  out: { discard: {} }\n"
                    "  out2: { from: out, discard: {} }\n"
                    "  out3: { from: [c, d], discard: {} }\n") ==
        "conf/a.yaml:4:3: error: nothing reads stage \"b\": its rows reach no sink\n"
        "  b: { from: a, filter: qty > 0 }\n"
        "  ^ add a stage with from: b, or remove it\n"
        "conf/a.yaml:5:3: error: stage \"c\" has no from: nothing reaches it\n"
        "  c: { filter: qty > 0 }\n"
        "  ^ add from: b\n"
        "conf/a.yaml:6:14: error: stage \"d\" is a source (generate): it reads from no stage\n"
        "  d: { from: a, generate: 5 }\n"
        "             ^ remove from\n"
        "conf/a.yaml:7:3: error: stage \"out\" has no from: nothing reaches it\n"
        "  out: { discard: {} }\n"
        "  ^~~ add from: d\n"
        "conf/a.yaml:8:17: error: stage \"out\" is a sink: nothing comes out of it\n"
        "  out2: { from: out, discard: {} }\n"
        "                ^~~ read from the stage before it\n");
}

TEST_CASE("Check: a reader needs either a path or an input that names files") {
  CHECK(problems_of("  a: { csv.read: {} }\n"
                    "  f: { files: x }\n"
                    "  b: { from: f, csv.read: x.csv }\n"
                    "  g: { generate: 5 }\n"
                    "  c: { from: g, text.read: {} }\n"
                    "  out: { from: a, discard: {} }\n"
                    "  out2: { from: b, discard: {} }\n"
                    "  out3: { from: c, discard: {} }\n") ==
        "conf/a.yaml:3:8: error: stage \"a\" has no path\n"
        "  a: { csv.read: {} }\n"
        "       ^~~~~~~~ add path: FILES\n"
        "conf/a.yaml:5:27: error: stage \"b\" has both from and path\n"
        "  b: { from: f, csv.read: x.csv }\n"
        "                          ^~~~~ with from, the files are those its input names\n"
        "conf/a.yaml:7:14: error: stage \"c\" reads the files named in column \"path\", which "
        "\"g\" lacks\n"
        "  c: { from: g, text.read: {} }\n"
        "             ^ it has n:int\n");
}

TEST_CASE("Check: a bad expression is underlined within its text") {
  const std::string problems = problems_of(kRead +
                                           "  b: { from: a, filter: \"qty > 0 and\" }\n"
                                           "  c: { from: b, filter: \"price\" }\n"
                                           "  d:\n"
                                           "    from: c\n"
                                           "    map:\n"
                                           "      total: >\n"
                                           "        round(qty *\n"
                                           "        prise, 2)\n"
                                           "  out: { from: d, discard: {} }\n");
  INFO(problems);
  CHECK(problems.find("conf/a.yaml:4:") != std::string::npos);
  CHECK(problems.find("conf/a.yaml:5:26: error: stage \"c\": this is a float, but must be bool\n"
                      "  c: { from: b, filter: \"price\" }\n"
                      "                         ^~~~~\n") != std::string::npos);
  CHECK(problems.find("conf/a.yaml:11:9: error: stage \"d\": ") != std::string::npos);
  CHECK(problems.find("        prise, 2)\n        ^~~~~ did you mean price?\n") !=
        std::string::npos);
}

TEST_CASE("Check: an unknown column is underlined where it stands") {
  CHECK(problems_of(kRead + "  b: { from: a, group: { by: [day, contry], n: count() } }\n"
                            "  c: { from: a, sort: [\"qty desc\", \"prise desc\"] }\n"
                            "  d: { from: a, text.words: {} }\n"
                            "  out: { from: b, discard: {} }\n"
                            "  out2: { from: c, discard: {} }\n"
                            "  out3: { from: d, discard: {} }\n") ==
        "conf/a.yaml:4:36: error: stage \"b\": there is no column \"contry\"; its input has day, "
        "country, "
        "qty, price\n"
        "  b: { from: a, group: { by: [day, contry], n: count() } }\n"
        "                                   ^~~~~~ did you mean \"country\"?\n"
        "conf/a.yaml:5:37: error: stage \"c\": there is no column \"prise\"; its input has day, "
        "country, "
        "qty, price\n"
        "  c: { from: a, sort: [\"qty desc\", \"prise desc\"] }\n"
        "                                    ^~~~~ did you mean \"price\"?\n"
        "conf/a.yaml:6:17: error: stage \"d\": there is no column \"line\"; its input has day, "
        "country, qty, "
        "price\n"
        "  d: { from: a, text.words: {} }\n"
        "                ^~~~~~~~~~\n");
}

TEST_CASE("Check: after a wrong condition the stages behind it are still checked") {
  const std::string problems = problems_of(kRead +
                                           "  b: { from: a, filter: qty }\n"
                                           "  c: { from: b, sort: prise }\n"
                                           "  out: { from: c, discard: {} }\n");
  CHECK(problems.find("a.yaml:4:25") != std::string::npos);
  CHECK(problems.find("a.yaml:5:23") != std::string::npos);
}

TEST_CASE("Check: a missing file is a problem at its path") {
  PlanOptions options;
  options.check_path = [](const std::string& path) {
    if (path != "x.csv") throw towpath::Invalid("no file matches \"" + path + "\"");
  };
  CHECK(problems_of(kRead + kWrite, options) == "");
  CHECK(problems_of("  a: { csv.read: { path: [x.csv, \"y-*.csv\"] } }\n"
                    "  b: { text.read: /z }\n"
                    "  out: { from: a, discard: {} }\n"
                    "  out2: { from: b, discard: {} }\n",
                    options) ==
        "conf/a.yaml:3:34: error: stage \"a\": no file matches \"y-*.csv\"\n"
        "  a: { csv.read: { path: [x.csv, \"y-*.csv\"] } }\n"
        "                                 ^~~~~~~~~ paths are relative to the working directory\n"
        "conf/a.yaml:4:19: error: stage \"b\": no file matches \"/z\"\n"
        "  b: { text.read: /z }\n"
        "                  ^~\n");
}

TEST_CASE("Check: columns that can't be found are a problem at the path") {
  CHECK(problems_of("  a: { csv.read: broken.csv }\n" + kWrite) ==
        "conf/a.yaml:3:18: error: stage \"a\": broken.csv has no header\n"
        "  a: { csv.read: broken.csv }\n"
        "                 ^~~~~~~~~~\n");
}

TEST_CASE("Check: two sinks can't write one file") {
  CHECK(problems_of(kRead + "  b: { from: a, csv.write: out/x.csv }\n"
                            "  c: { from: a, csv.write: { path: ./out/x.csv } }\n"
                            "  d: { from: a, csv.write: out }\n") ==
        "conf/a.yaml:5:36: error: stage \"c\" writes ./out/x.csv, as stage \"b\" (line 4) does as "
        "out/x.csv\n"
        "  c: { from: a, csv.write: { path: ./out/x.csv } }\n"
        "                                   ^~~~~~~~~~~ give each its own file\n"
        "conf/a.yaml:6:28: error: stage \"d\" writes out, but stage \"b\" (line 4) writes "
        "out/x.csv: one is a folder of the other\n"
        "  d: { from: a, csv.write: out }\n"
        "                           ^~~ give one another name\n");
}

TEST_CASE("Check: sinks may share a database but not a table") {
  CHECK(problems_of(kRead + "  b: { from: a, sqlite.write: { path: x.db, table: one } }\n"
                            "  c: { from: a, sqlite.write: { path: x.db, table: two } }\n") == "");
  CHECK(
      problems_of(kRead + "  b: { from: a, sqlite.write: { path: x.db, table: one } }\n"
                          "  c: { from: a, sqlite.write: { path: x.db, table: ONE } }\n"
                          "  d: { from: a, csv.write: x.db }\n") ==
      "conf/a.yaml:5:39: error: stage \"c\" writes table \"ONE\" of x.db, as stage \"b\" (line 4) "
      "does\n"
      "  c: { from: a, sqlite.write: { path: x.db, table: ONE } }\n"
      "                                      ^~~~ give each its own table\n"
      "conf/a.yaml:6:28: error: stage \"d\" writes x.db, as stage \"b\" (line 4) does\n"
      "  d: { from: a, csv.write: x.db }\n"
      "                           ^~~~ give each its own file\n");
}

TEST_CASE("Check: a sink can't write what the run reads nor where nothing can be written") {
  PlanOptions options;
  options.would_read = [](const std::string& pattern, const std::string& path) {
    return pattern == "*.csv" && path.ends_with(".csv");
  };
  options.name_output = [](const std::string& path) {
    if (path == "out") throw towpath::Invalid("out is a folder");
    return path;
  };
  CHECK(problems_of("  a: { csv.read: \"*.csv\" }\n"
                    "  b: { from: a, csv.write: x.csv }\n"
                    "  c: { from: a, csv.write: out }\n",
                    options) ==
        "conf/a.yaml:4:28: error: stage \"b\" writes x.csv, which stage \"a\" (line 3) reads as "
        "\"*.csv\"\n"
        "  b: { from: a, csv.write: x.csv }\n"
        "                           ^~~~~ write elsewhere, or name the inputs so that this file is "
        "none\n"
        "conf/a.yaml:5:28: error: stage \"c\": out is a folder\n"
        "  c: { from: a, csv.write: out }\n"
        "                           ^~~\n");
}

TEST_CASE("Check: a value with an unknown name in it is one problem only") {
  PlanOptions options;
  options.check_path = [](const std::string& path) {
    throw towpath::Invalid("no file matches \"" + path + "\"");
  };
  const std::string problems = problems_of(
      "  a: { csv.read: \"${foo}/x.csv\" }\n"
      "  b: { generate: \"${rows}\" }\n"
      "  out: { from: a, csv.write: \"${foo}\" }\n"
      "  out2: { from: b, discard: {} }\n",
      options);
  CHECK(problems.find("no file") == std::string::npos);
  CHECK(problems.find("takes") == std::string::npos);
  CHECK(problems.find("a.yaml:3:19: error: no param \"foo\"") != std::string::npos);
  CHECK(problems.find("a.yaml:4:19: error: no param \"rows\"") != std::string::npos);
  CHECK(problems.find("a.yaml:5:31: error: no param \"foo\"") != std::string::npos);
}

TEST_CASE("Check: a stage from which no column would come is refused") {
  CHECK(problems_of(kRead + "  g: { from: a, group: { by: [], n: count() } }\n"
                            "  out: { from: g, discard: {} }\n") == "");
  CHECK(problems_of(kRead + "  g: { from: a, select: [] }\n"
                            "  out: { from: g, discard: {} }\n") ==
        "conf/a.yaml:4:17: error: stage \"g\": no column would come out of it\n"
        "  g: { from: a, select: [] }\n"
        "                ^~~~~~ name columns, as in select: [day, qty]\n");
}

TEST_CASE("Check: branches of one source can't meet again") {
  CHECK(
      problems_of(kRead + "  b: { from: a, filter: qty > 0 }\n"
                          "  c: { from: [a, b], filter: qty > 1 }\n"
                          "  out: { from: c, discard: {} }\n") ==
      "conf/a.yaml:5:18: error: the rows of \"a\" reach stage \"c\" on two ways, which meet here\n"
      "  c: { from: [a, b], filter: qty > 1 }\n"
      "                 ^ one would have to be kept on disk meanwhile, which Towpath can't do: end "
      "each way in "
      "a sink of its own\n");
}

TEST_CASE("Check: inputs of one stage must have the same columns") {
  CHECK(problems_of(kRead + "  b: { generate: 5 }\n"
                            "  out: { from: [a, b], discard: {} }\n") ==
        "conf/a.yaml:5:20: error: stage \"out\" reads inputs with different columns: \"b\" has "
        "n:int\n"
        "  out: { from: [a, b], discard: {} }\n"
        "                   ^ \"a\" has day:date, country:string, qty:int, price:float\n");
  CHECK(problems_of(kRead + "  out: { from: [a, a], discard: {} }\n") ==
        "conf/a.yaml:4:20: error: stage \"out\" reads \"a\" twice\n"
        "  out: { from: [a, a], discard: {} }\n"
        "                   ^ remove one\n");
  CHECK(problems_of(kRead + "  out: { from: { left: a }, discard: {} }\n") ==
        "conf/a.yaml:4:10: error: stage \"out\" has no named inputs\n"
        "  out: { from: { left: a }, discard: {} }\n"
        "         ^~~~ write from: NAME or from: [A, B]\n");
}

TEST_CASE("Check: steps say which kinds can't be among them") {
  CHECK(
      problems_of(kRead +
                  "  b:\n"
                  "    from: a\n"
                  "    steps: [ { generate: 5 }, { sort: n }, { text.read: x }, { discard: } ]\n"
                  "  out: { from: b, discard: {} }\n") ==
      "conf/a.yaml:6:16: error: stage \"b\", step 1: generate is a source, which has a process of "
      "its own\n"
      "    steps: [ { generate: 5 }, { sort: n }, { text.read: x }, { discard: } ]\n"
      "               ^~~~~~~~ make it a stage of its own\n"
      "conf/a.yaml:6:33: error: stage \"b\", step 2: sort waits for the end of its input, so it "
      "can only be "
      "the last step\n"
      "    steps: [ { generate: 5 }, { sort: n }, { text.read: x }, { discard: } ]\n"
      "                                ^~~~ put the steps behind it in another stage\n"
      "conf/a.yaml:6:46: error: stage \"b\", step 3: text.read reads files, so it can only be the "
      "first "
      "step\n"
      "    steps: [ { generate: 5 }, { sort: n }, { text.read: x }, { discard: } ]\n"
      "                                             ^~~~~~~~~ make it a stage of its own\n"
      "conf/a.yaml:6:64: error: stage \"b\", step 4: discard is a sink, which has a process of its "
      "own\n"
      "    steps: [ { generate: 5 }, { sort: n }, { text.read: x }, { discard: } ]\n"
      "                                                               ^~~~~~~ make it a stage of "
      "its own\n");
}

TEST_CASE("Check: duplicate keys and split expressions stop nothing else from being checked") {
  CHECK(problems_of("  a: { csv.read: x.csv }\n"
                    "  a: { csv.read: y.csv }\n"
                    "  b: { from: a, map: { x: if(qty > 1, 1, 2) } }\n"
                    "  out: { from: c, discard: {} }\n") ==
        "conf/a.yaml:4:3: error: \"a\" stands here twice\n"
        "  a: { csv.read: y.csv }\n"
        "  ^ first on line 3\n"
        "conf/a.yaml:5:27: error: a comma inside { } or [ ] ends the value here\n"
        "  b: { from: a, map: { x: if(qty > 1, 1, 2) } }\n"
        "                          ^~~~~~~~~~~~~~~~~ quote the expression: \"if(qty > 1, 1, 2)\"\n"
        "conf/a.yaml:6:16: error: stage \"out\" reads from \"c\", which is no stage\n"
        "  out: { from: c, discard: {} }\n"
        "               ^ did you mean \"a\"?\n");
}
