#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <sstream>

#include "towpath/base/format.h"
#include "towpath/config/document.h"

// YAML through yaml-cpp's events: they show tags, duplicate keys and `<<`, which its Node hides.
// What the events do not show (where a scalar ends, whether a key had a colon) is looked up in the
// source.

namespace towpath {
namespace {

// Leaves yaml-cpp when a problem makes the rest meaningless.
struct Stop {};

int bracket_balance(std::string_view text) {
  int open = 0;
  for (const char c : text) {
    if (c == '(') ++open;
    if (c == ')') --open;
  }
  return open;
}

bool looks_cut(const Node& value) {
  return value.kind == Node::Kind::kScalar && !value.quoted && bracket_balance(value.text) > 0;
}

class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(Document& document) : document_(document) {}

  Node take_root() { return std::move(root_); }
  bool has_root() const { return has_root_; }

  // A flow map or list that is still open where the syntax broke: the comma in an expression may be
  // why.
  bool explain_by_split_expression() {
    const size_t before = document_.problems().size();
    for (Open& open : open_) {
      if (open.node.flow) report_split(open.node);
    }
    return document_.problems().size() > before;
  }
  bool in_flow() const { return !open_.empty() && open_.back().node.flow; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    document_.add({at(mark), static_cast<int>(name.size()) + 1,
                   format("anchors (&{}) are not supported", name),
                   "write the value out, or make it a param"});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Node node = null_at(mark);
    node.length = word_length(node.mark);
    document_.add(node, "aliases are not supported",
                  "write the value out; to mean the character *, quote the value");
    add(std::move(node));
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    Node node = null_at(mark);
    const std::string_view rest = from(node.mark);
    for (const std::string_view word : {"null", "Null", "NULL", "~"}) {
      if (rest.starts_with(word)) {
        node.text = word;
        node.length = static_cast<int>(word.size());
      }
    }
    if (node.text.empty() && !open_.empty() && open_.back().key) {
      // Nothing was written: the next token's mark is of no use, the key's is.
      node.mark = open_.back().key->mark;
      node.length = open_.back().key->length;
    }
    add(std::move(node));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    Node node;
    node.kind = Node::Kind::kScalar;
    node.mark = at(mark);
    node.text = value;
    node.quoted = tag == "!";
    check_tag(node, tag);
    measure(node);
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value style) override {
    push(Node::Kind::kList, mark, tag, style);
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value style) override {
    push(Node::Kind::kMap, mark, tag, style);
  }
  void OnMapEnd() override { pop(); }

 private:
  struct Open {
    Node node;
    std::optional<Node> key;
    bool drop = false;  // the key is a problem already: its value is read and forgotten
    std::set<std::string, std::less<>> keys;
  };

  static Mark at(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }
  static Node null_at(const YAML::Mark& mark) {
    Node node;
    node.mark = at(mark);
    node.length = 1;
    return node;
  }

  // The rest of the source line from a place on.
  std::string_view from(Mark mark) const {
    const std::string_view line = document_.line(mark.line);
    const size_t column = static_cast<size_t>(std::max(mark.column - 1, 0));
    return column < line.size() ? line.substr(column) : std::string_view();
  }
  int word_length(Mark mark) const {
    const std::string_view rest = from(mark);
    return std::max(1, static_cast<int>(std::min(rest.find_first_of(" ,]}"), rest.size())));
  }

  void check_tag(const Node& node, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    document_.add({node.mark, word_length(node.mark), "tags are not supported",
                   "remove it; quote the value to make it text"});
  }

  // Finds how far a scalar runs on its line, and that its quote is closed (yaml-cpp takes the end
  // of the file for a closing quote).
  void measure(Node& node) {
    const std::string_view rest = from(node.mark);
    node.length = 1;
    if (rest.empty() || rest[0] == '|' || rest[0] == '>') return;
    if (!node.quoted) {
      const bool one_line = rest.starts_with(node.text);
      node.length = static_cast<int>(
          one_line ? node.text.size() : std::min(rest.find_last_not_of(" \t"), rest.size()) + 1);
      node.length = std::max(node.length, 1);
      return;
    }
    const char quote = rest[0];
    if (quote != '"' && quote != '\'') return;
    const std::string_view text = document_.text();
    const size_t begin = static_cast<size_t>(rest.data() - text.data());
    size_t end = begin + 1;
    for (; end < text.size(); ++end) {
      if (quote == '"' && text[end] == '\\') {
        ++end;
      } else if (text[end] == quote) {
        if (quote == '"' || end + 1 >= text.size() || text[end + 1] != quote) break;
        ++end;
      }
    }
    node.length = static_cast<int>(std::min(end + 1 - begin, rest.size()));
    if (end >= text.size()) {
      document_.add({node.mark, 1, "this quote is never closed", "add the closing quote"});
      throw Stop{};
    }
  }

  void push(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::EmitterStyle::value style) {
    Open open;
    open.node.kind = kind;
    open.node.mark = at(mark);
    open.node.length = 1;
    open.node.flow = style == YAML::EmitterStyle::Flow;
    check_tag(open.node, tag);
    if (open_.size() >= static_cast<size_t>(kMaxConfigDepth)) {
      document_.add(open.node, format("nested more than {} levels deep", kMaxConfigDepth));
      throw Stop{};
    }
    open_.push_back(std::move(open));
  }
  void pop() {
    Node node = std::move(open_.back().node);
    open_.pop_back();
    if (node.flow) report_split(node);
    add(std::move(node));
  }

  void add(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      has_root_ = true;
      return;
    }
    Open& open = open_.back();
    if (open.node.kind == Node::Kind::kList) {
      open.node.items.push_back(std::move(node));
    } else if (!open.key) {
      open.drop = !take_key(open, node);
      open.key = std::move(node);
    } else {
      if (!open.drop) open.node.entries.emplace_back(std::move(*open.key), std::move(node));
      open.key.reset();
    }
  }

  // False: the key is a problem, and the entry is left out.
  bool take_key(Open& open, Node& key) {
    if (key.kind == Node::Kind::kNull && !key.text.empty()) key.kind = Node::Kind::kScalar;
    if (key.kind != Node::Kind::kScalar) {
      document_.add(key,
                    key.kind == Node::Kind::kNull ? "a key is missing here" : "a key must be text",
                    "write name: value");
      return false;
    }
    if (key.text == "<<" && !key.quoted) {
      document_.add(key, "merge keys (<<) are not supported", "write the keys out");
      return false;
    }
    if (open.keys.insert(key.text).second) return true;
    const Node* first = open.node.find_key(key.text);
    document_.add(key, format("\"{}\" stands here twice", key.text),
                  first != nullptr ? format("first on line {}", first->mark.line) : "remove one");
    return false;
  }

  // `{ a: if(x, 1, 2) }` reads as the keys a, 1 and 2). Names the value that was cut, once, and
  // removes the pieces, so that they are no problems of their own.
  void report_split(Node& node) {
    if (node.kind == Node::Kind::kMap) {
      for (size_t i = 0; i < node.entries.size(); ++i) {
        if (!looks_cut(node.entries[i].second)) continue;
        int open = bracket_balance(node.entries[i].second.text);
        report_cut(node.entries[i].second);
        size_t end = i + 1;
        while (end < node.entries.size() && open > 0 &&
               node.entries[end].second.kind == Node::Kind::kNull) {
          open += bracket_balance(node.entries[end++].first.text);
        }
        erase(node.entries, i + 1, end);
      }
    } else {
      for (size_t i = 0; i < node.items.size(); ++i) {
        if (!looks_cut(node.items[i])) continue;
        int open = bracket_balance(node.items[i].text);
        report_cut(node.items[i]);
        size_t end = i + 1;
        while (end < node.items.size() && open > 0) open += bracket_balance(node.items[end++].text);
        erase(node.items, i + 1, end);
      }
    }
  }
  template <class T>
  static void erase(std::vector<T>& from, size_t first, size_t last) {
    from.erase(from.begin() + static_cast<std::ptrdiff_t>(first),
               from.begin() + static_cast<std::ptrdiff_t>(last));
  }
  void report_cut(Node& value) {
    const std::string_view rest = from(value.mark);
    size_t end = 0;
    for (int open = 0; end < rest.size(); ++end) {
      if (rest[end] == '(') ++open;
      if (rest[end] == ')') --open;
      if (open == 0 && (rest[end] == ',' || rest[end] == '}' || rest[end] == ']')) break;
    }
    while (end > 0 && rest[end - 1] == ' ') --end;
    const std::string_view whole = rest.substr(0, end);
    const bool has_double = whole.find('"') != whole.npos;
    document_.add({value.mark, static_cast<int>(end),
                   "a comma inside { } or [ ] ends the value here",
                   has_double ? std::string("quote the expression")
                              : format("quote the expression: \"{}\"", whole)});
    value.text = whole;
  }

  Document& document_;
  std::vector<Open> open_;
  Node root_;
  bool has_root_ = false;
};

// Refuses what yaml-cpp would misread: it takes byte 4 for the end of the file and replaces bad
// UTF-8.
bool check_bytes(Document& document) {
  const std::string_view text = document.text();
  if (text.size() > kMaxConfigBytes) {
    document.add({{}, 1, format("larger than {} bytes: not a pipeline", kMaxConfigBytes), ""});
    return false;
  }
  Mark mark{1, 1};
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    size_t size = 1;
    const char* wrong = nullptr;
    if (c == '\n') {
      ++mark.line;
      mark.column = 0;
    } else if (c < 0x20 && c != '\t' &&
               !(c == '\r' && i + 1 < text.size() && text[i + 1] == '\n')) {
      wrong = "a control character";
    } else if (c >= 0x80) {
      size = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
      bool good = size > 0 && i + size <= text.size();
      for (size_t k = 1; good && k < size; ++k) good = (text[i + k] & '\xc0') == '\x80';
      if (!good) wrong = "a byte that is not UTF-8";
    }
    if (wrong != nullptr) {
      document.add({mark, 1, format("{} (0x{:02x})", wrong, c), "save the file as UTF-8 text"});
      return false;
    }
    i += size;
    mark.column += static_cast<int>(size);
  }
  return true;
}

// What yaml-cpp says, in words that help.
void explain(Document& document, const Builder& builder, const YAML::ParserException& error) {
  const Mark mark{error.mark.line + 1, error.mark.column + 1};
  const std::string_view line = document.line(mark.line);
  const size_t column = std::min(static_cast<size_t>(std::max(mark.column - 1, 0)), line.size());
  std::string_view before = line.substr(0, column);
  const size_t indent = std::min(line.find_first_not_of(" \t"), line.size());
  const std::string_view said = error.msg;
  std::string message(said), hint;

  if (line.substr(0, indent).find('\t') != std::string_view::npos) {
    message = "a tab in the indentation";
    hint = "indent with spaces";
  } else if (builder.in_flow() && column < line.size() && line[column] == '{' &&
             before.ends_with('$')) {
    message = "the { of ${…} begins a map here";
    hint = "quote the value";
  } else if (said == "the referenced anchor is not defined") {
    message = "a value can't begin with *, which refers to an anchor";
    hint = "quote the value";
  } else if (said == "unknown token") {
    message = format("a value can't begin with {}",
                     column < line.size() ? line.substr(column, 1) : "this");
    hint = "quote the value";
  } else if (said == "illegal map value") {
    message = "a second \": \" on one line, or a wrong indentation";
    hint = "quote the value, or indent its key like its neighbours";
  } else if (said == "end of map not found" || said == "end of sequence not found") {
    while (before.ends_with(' ')) before.remove_suffix(1);
    if (!before.empty() && (before.back() == '"' || before.back() == '\'')) {
      message = "text behind the closing quote";
      hint = "put the whole value in quotes";
    } else {
      message = "expected a key or the end of the block";
      hint = "check the indentation";
    }
  } else if (said == "end of map flow not found") {
    message = "expected , or } in a { } map";
    hint = "close the map, or quote the value";
  } else if (said == "end of sequence flow not found") {
    message = "expected , or ] in a [ ] list";
    hint = "close the list, or quote the value";
  }
  document.add({mark, 1, std::move(message), std::move(hint)});
}

}  // namespace

Document Document::parse(std::string path, std::string text) {
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  Document document;
  document.path_ = std::move(path);
  document.text_ = std::move(text);
  document.lines_ = {0};
  for (size_t at = 0; (at = document.text_.find('\n', at)) != std::string::npos;) {
    document.lines_.push_back(++at);
  }
  if (!check_bytes(document)) return document;

  Builder builder(document);
  try {
    std::istringstream in(document.text_);
    YAML::Parser parser(in);
    parser.HandleNextDocument(builder);
    if (!builder.has_root()) {
      document.add({{1, 1}, 1, "the file is empty", ""});
      return document;
    }
    document.root_ = builder.take_root();

    // A second document: its events go nowhere, only its start matters.
    struct Second final : YAML::EventHandler {
      std::optional<YAML::Mark> start;
      void OnDocumentStart(const YAML::Mark& mark) override { start = mark; }
      void OnDocumentEnd() override {}
      void OnNull(const YAML::Mark&, YAML::anchor_t) override { throw Stop{}; }
      void OnAlias(const YAML::Mark&, YAML::anchor_t) override { throw Stop{}; }
      void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                    const std::string&) override {
        throw Stop{};
      }
      void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                           YAML::EmitterStyle::value) override {
        throw Stop{};
      }
      void OnSequenceEnd() override {}
      void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                      YAML::EmitterStyle::value) override {
        throw Stop{};
      }
      void OnMapEnd() override {}
    } second;
    try {
      parser.HandleNextDocument(second);
    } catch (const Stop&) {
    }
    if (second.start) {
      document.add({{second.start->line + 1, second.start->column + 1},
                    3,
                    "a second document begins here",
                    "one pipeline a file"});
    }
  } catch (const Stop&) {
    document.root_ = Node{};
  } catch (const YAML::ParserException& error) {
    document.root_ = Node{};
    if (!builder.explain_by_split_expression()) explain(document, builder, error);
  } catch (const YAML::Exception& error) {
    document.root_ = Node{};
    document.add({{error.mark.line + 1, error.mark.column + 1}, 1, error.msg, ""});
  }
  return document;
}

}  // namespace towpath
