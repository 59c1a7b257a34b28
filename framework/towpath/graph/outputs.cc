#include <algorithm>
#include <filesystem>

#include "towpath/base/ascii.h"
#include "towpath/base/format.h"
#include "towpath/config/check.h"
#include "towpath/graph/graph.h"

// The files that a run writes.

namespace towpath {
namespace {

class OutputCheck {
 public:
  OutputCheck(Document& document, const Graph& graph, const PlanOptions& options)
      : document_(document), graph_(graph), options_(options) {}

  void run() {
    for (const GraphStage& stage : graph_.stages) {
      if (stage.role() != Role::kSink) continue;
      const GraphStep& sink = stage.steps[0];
      const FieldSpec* field = sink.kind->spec.find_field("path");
      const Object* path = sink.values.find("path");
      if (field == nullptr || path == nullptr || !path->is_string()) continue;
      Output output{.stage = &stage, .at = node_of(sink), .path = path->as_string(), .name = {}};
      if (output.path == "-" || !name(output)) continue;
      check_inputs(output);
      check_others(output);
      outputs_.push_back(std::move(output));
    }
  }

 private:
  struct Output {
    const GraphStage* stage;
    const Node* at;
    std::string path;  // as written
    std::string name;  // the one name of the file
  };

  static const Node* node_of(const GraphStep& step) {
    const StageSpec& spec = step.kind->spec;
    const Node* node = find_field_node(*step.value, spec.fields(), spec.main_field(), "path");
    return node != nullptr ? node : step.key;
  }

  // False: nothing can be written there, which is a problem now.
  bool name(Output& output) {
    if (!options_.name_output) {
      output.name = std::filesystem::path(output.path).lexically_normal().string();
      return true;
    }
    try {
      output.name = options_.name_output(output.path);
      return true;
    } catch (const Error& error) {
      document_.add(*output.at, format("{}: {}", output.stage->what(), error.what()));
      return false;
    }
  }

  // A file would be read while it is replaced, or by the next run only: either is an accident.
  void check_inputs(const Output& output) {
    for (const GraphStage& stage : graph_.stages) {
      const GraphStep& reader = stage.steps.front();
      if (stage.added || reader.kind == nullptr) continue;
      const StageSpec& spec = reader.kind->spec;
      if (spec.role() != Role::kSource && !spec.is_reader()) continue;
      const Object* patterns = reader.values.find("path");
      if (patterns == nullptr || !patterns->is_array()) continue;
      for (const Object& each : patterns->as_array()) {
        const std::string& pattern = each.as_string();
        const bool same = options_.would_read ? options_.would_read(pattern, output.path)
                                              : pattern == output.path;
        if (!same) continue;
        const std::string as = pattern == output.path ? "" : format(" as \"{}\"", pattern);
        document_.add(*output.at,
                      format("{} writes {}, which {} (line {}) reads{}", output.stage->what(),
                             output.path, stage.what(), node_of(reader)->mark.line, as),
                      "write elsewhere, or name the inputs so that this file is none");
        return;
      }
    }
  }

  // Two sinks would overwrite each other's file.
  void check_others(const Output& output) {
    for (const Output& other : outputs_) {
      const std::string owner = format("{} (line {})", other.stage->what(), other.at->mark.line);
      if (output.name == other.name) {
        const std::string& field = output.stage->steps[0].kind->spec.file_shared_by();
        if (output.stage->steps[0].kind != other.stage->steps[0].kind || field.empty()) {
          document_.add(*output.at,
                        format("{} writes {}, as {} does{}", output.stage->what(), output.path,
                               owner, as_written(other, output)),
                        "give each its own file");
          return;
        }
        if (!same_part(output, other, field)) continue;
        document_.add(*output.at,
                      format("{} writes {} \"{}\" of {}, as {} does{}", output.stage->what(), field,
                             text_of(output, field), output.path, owner, as_written(other, output)),
                      format("give each its own {}", field));
        return;
      }
      if (output.name.starts_with(other.name + "/") || other.name.starts_with(output.name + "/")) {
        document_.add(*output.at,
                      format("{} writes {}, but {} writes {}: one is a folder of the other",
                             output.stage->what(), output.path, owner, other.path),
                      "give one another name");
        return;
      }
    }
  }

  static std::string as_written(const Output& other, const Output& output) {
    return output.path == other.path ? "" : format(" as {}", other.path);
  }
  static std::string text_of(const Output& output, const std::string& field) {
    const Object* value = output.stage->steps[0].values.find(field);
    return value == nullptr ? "" : value->as_string();
  }
  // Whether two sinks that may share a file would write the same part of it. A part that lacks its
  // name is a problem already.
  static bool same_part(const Output& output, const Output& other, const std::string& field) {
    const std::string own = text_of(output, field);
    return !own.empty() && same_letters(own, text_of(other, field));
  }

  Document& document_;
  const Graph& graph_;
  const PlanOptions& options_;
  std::vector<Output> outputs_;
};

}  // namespace

void check_outputs(Document& document, const Graph& graph, const PlanOptions& options) {
  OutputCheck(document, graph, options).run();
}

}  // namespace towpath
