#include "towpath/graph/file_options.h"

#include "towpath/base/format.h"
#include "towpath/memory/arena.h"

namespace towpath {
namespace {

constexpr uint64_t kDefaultBatchRows = 65536;

}  // namespace

const std::vector<std::string>& start_method_names() {
  static const std::vector<std::string> names = {"forkserver", "spawn", "fork"};
  return names;
}

const std::vector<FieldSpec>& pipeline_fields() {
  static const std::vector<FieldSpec> fields = {
      field("towpath", FieldKind::kInt).must().about("The format of the file: 1."),
      field("pipeline", FieldKind::kString)
          .about("Its name, in `ps` and in the runs' folders; else the file's."),
      field("memory", FieldKind::kBytes)
          .range(kLeastMemory, kMaxArenaBytes)
          .about("For batches on their way and for what stages keep, together; else a quarter of "
                 "the machine's, at most 1GiB."),
      field("cores", FieldKind::kInt)
          .range(1, 4096)
          .about("What `workers: auto` shares out; else what the machine has."),
      field("max_rejects", FieldKind::kString)
          .default_value("0")
          .about("How many rows may be set aside before the run ends."),
      field("seed", FieldKind::kInt)
          .range(0, 9007199254740992)
          .default_value("0")
          .about("Of random() and generate: the same seed gives the same rows."),
      field("batch_rows", FieldKind::kInt)
          .range(1, kMostBatchRows)
          .default_value(format("{}", kDefaultBatchRows))
          .about("The most rows of a batch."),
      field("epoch", FieldKind::kDuration)
          .range(10, 86'400'000)
          .default_value("10s")
          .about("How often the run records a place to go on from after a crash or an interrupt."),
  };
  return fields;
}

const std::vector<FieldSpec>& pipeline_parts() {
  static const std::vector<FieldSpec> parts = {
      field("params", FieldKind::kAny)
          .about("Names and their values: ${name} in a text, $name in an expression, --set "
                 "name=value on the command line."),
      field("defaults", FieldKind::kAny)
          .about("Options of a stage, for all that say nothing else."),
      field("stages", FieldKind::kAny).must().about("Names and what stands there: a stage each."),
  };
  return parts;
}

const std::vector<FieldSpec>& stage_fields() {
  static const std::vector<FieldSpec> fields = {
      field("workers", FieldKind::kString)
          .about("How many processes share its work: a number, or auto for a share of the cores. "
                 "Else 1."),
      choice_field("order", {"input"}).about("Rows leave in the order in which they came; always."),
      choice_field("start_method", start_method_names())
          .about("How its processes begin; else forkserver."),
  };
  return fields;
}

const std::vector<FieldSpec>& stage_parts() {
  static const std::vector<FieldSpec> parts = {
      field("from", FieldKind::kAny)
          .about(
              "The stage whose rows it reads, or a list of stages. Sources have none; all others "
              "need it."),
      field("steps", FieldKind::kAny)
          .about("Instead of a kind: a list of kinds that run one after another in one process."),
      field("env", FieldKind::kAny).about("Variables of its processes' environment."),
  };
  return parts;
}

}  // namespace towpath
