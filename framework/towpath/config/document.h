#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace towpath {

inline constexpr size_t kMaxConfigBytes = 4 << 20;
inline constexpr int kMaxConfigDepth = 64;

// A place in a YAML text; line and column count from 1, columns in bytes.
struct Mark {
  int line = 0;
  int column = 0;
};

// One thing that is wrong with a document. Shown as
//
//   configs/b.yaml:7:5: error: stage "clean" has no option "fitler"
//       fitler: qty > 0
//       ^~~~~~ did you mean "filter"?
struct Problem {
  Mark mark;
  int length = 1;  // of the underlined part
  std::string message;
  std::string hint;  // behind the underline: how to fix it
};

// A value in a YAML text, with its place. Scalars keep their text as written: what `12` means is
// for the field that takes it to say.
struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  Mark mark;
  std::string text;     // of a scalar
  bool quoted = false;  // '…' or "…" or a block scalar: text, even if it looks like a number
  bool flow = false;    // a list or map in [ ] or { }
  bool substituted =
      false;  // holds text that a ${name} stood for: offsets no longer match the source
  bool unresolved = false;  // a ${name} in it has no value, which is a problem already
  int length = 0;           // bytes in the source line that the value (or key) takes; at least 1
  std::vector<Node> items;  // of a list
  std::vector<std::pair<Node, Node>> entries;  // of a map, in order; keys are scalars and unique

  // Out of line, because here a pair of Nodes is still an incomplete type.
  Node();
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;
  ~Node();

  const Node* find(std::string_view key) const;
  const Node* find_key(std::string_view key) const;
  bool any_unresolved() const;  // it, or what it holds
};

// A parsed YAML text and all that was found wrong with it.
class Document {
 public:
  // Reads the text; what is wrong with it (syntax, duplicate keys, tags, anchors and aliases, `<<`,
  // control characters, more than one document) is in problems(). Bounded in depth and size. After
  // a syntax error the root is null.
  static Document parse(std::string path, std::string text);
  static Document load(const std::string& path);  // SystemError when it can't be read

  const std::string& path() const { return path_; }
  const std::string& text() const { return text_; }
  const Node& root() const { return root_; }
  Node& root() { return root_; }

  void add(Problem problem) { problems_.push_back(std::move(problem)); }
  void add(const Node& at, std::string message, std::string hint = "") {
    problems_.push_back({at.mark, at.length, std::move(message), std::move(hint)});
  }
  // Underlines `length` bytes of a scalar's text from `offset` on: where an expression is wrong.
  void add_within(const Node& scalar, size_t offset, size_t length, std::string message,
                  std::string hint = "");
  // The source line, without its end; empty behind the last one.
  std::string_view line(int number) const;
  bool ok() const { return problems_.empty(); }
  const std::vector<Problem>& problems() const { return problems_; }
  // All of them, in order of place, each once. A problem without a line (a command-line option)
  // comes first.
  std::string show_problems() const;

 private:
  Mark place(const Node& scalar, size_t offset) const;

  std::string path_, text_;
  std::vector<size_t> lines_;  // where each begins in text_
  Node root_;
  std::vector<Problem> problems_;
};

}  // namespace towpath
