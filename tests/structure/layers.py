"""The rules of the house: who may include whom, and where a system's sharp tools may be used.

The arrows between layers are read from framework/CMakeLists.txt, the libraries of a stage family from
stages/CMakeLists.txt. `violations(root)` returns one line for each breach: file:line: what, and why not.
"""
import pathlib
import re

# What a header's path begins with → the library it belongs to.
LIBRARIES = {
    "zmq.h": "zmq", "zmq.hpp": "zmq", "zmq_addon.hpp": "zmq", "zmq_utils.h": "zmq",
    "msgpack": "msgpack",
    "yaml-cpp/": "yaml-cpp",
    "sqlite3.h": "sqlite", "sqlite3ext.h": "sqlite",
    "dlfcn.h": "dlfcn", "backtrace.h": "backtrace",
    "spawn.h": "fork/exec",
    "fmt/": "fmt", "spdlog/": "spdlog",
    "re2/": "re2", "regex": "<regex>", "regex.h": "<regex>",
    "xxhash.h": "xxhash", "xxh3.h": "xxhash",
    "nlohmann/": "nlohmann",
    "zlib.h": "zlib", "zstd.h": "zstd",
    "sodium.h": "sodium", "sodium/": "sodium",
    "CLI/": "CLI11",
    "simdjson.h": "simdjson",
}
# The layers that own it. A library that is not here is owned by none.
OWNERS = {
    "zmq": {"channel"},
    "msgpack": {"message"},
    "yaml-cpp": {"config"},
    "sqlite": {"run"},
    "dlopen": {"plugin", "process"},  # process: a library that holds a child's target
    "dlfcn": {"plugin", "process"},  # process: also dlsym, to call the __cxa_throw that its own stands before
    "backtrace": {"process"},
    "fork/exec": {"process"},
    "fmt": {"base"},
    "re2": {"expr"},
    "xxhash": {"expr"},
    "nlohmann": {"message", "cli"},
    "sodium": {"channel"},
    "zlib": {"input"},
    "zstd": {"input"},
    "CLI11": {"cli"},
}
# Calls that need no telling header of their own → the tool they are.
CALLS = {
    "dlopen": r"dlopen|dlmopen",
    "fork/exec": r"fork|_Fork|vfork|clone3?|posix_spawnp?|exec(?:l|lp|le|v|vp|ve|vpe|veat)|fexecve|popen|system",
}
SYSCALLS = re.compile(r"\b(?:SYS|__NR)_(?:fork|vfork|clone3?|execveat|execve)\b")
# Libraries that a stage may never use, whatever its link line says: it asks its Services instead.
NOT_IN_STAGES = {"zmq", "msgpack", "yaml-cpp", "dlopen", "dlfcn", "backtrace", "fork/exec", "fmt", "spdlog", "<regex>"}
STAGE_MAY_INCLUDE = {"base", "message", "input", "expr", "stage"}
# A stage family may use a library when its line in stages/CMakeLists.txt links it by this name.
LINK_NAMES = {
    "sqlite": r"sqlite", "simdjson": r"simdjson", "re2": r"re2", "xxhash": r"xxhash", "zlib": r"zlib",
    "zstd": r"zstd", "nlohmann": r"nlohmann", "CLI11": r"cli11",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"([^()\s\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def layers(cmake):
    """Layer → (layers it uses, directly), from the text of framework/CMakeLists.txt."""
    uses = {}
    for name, rest in re.findall(r"^towpath_layer\((\w+)\s*([^)]*)\)", cmake, re.M):
        words, into = rest.split(), None
        uses[name] = set()
        for word in words:
            if word in ("USES", "PRIVATE"):
                into = word
            elif into == "USES":
                uses[name].add(word)
    return uses


def closure(uses):
    """Arrows are transitive, and all stand on base. Raises ValueError on a cycle or an unknown layer."""
    whole, open_ = {}, []

    def visit(name):
        if name in whole:
            return whole[name]
        if name in open_:
            raise ValueError("layers in a circle: " + " → ".join(open_[open_.index(name):] + [name]))
        if name not in uses:
            raise ValueError(f'layer "{open_[-1]}" uses "{name}", which is none')
        open_.append(name)
        reach = {name, "base"}
        for used in uses[name]:
            reach |= visit(used)
        open_.pop()
        whole[name] = reach
        return reach

    for name in uses:
        visit(name)
    return whole


def families(cmake):
    """Stage family → its link words, from the text of stages/CMakeLists.txt."""
    return {name: rest.lower() for name, rest in re.findall(r"^towpath_stages\((\w+)\s*([^)]*)\)", cmake, re.M)}


def library_of(header):
    for prefix, library in LIBRARIES.items():
        if header == prefix or header.startswith(prefix if prefix.endswith("/") else prefix + "/"):
            return library
        if prefix == "msgpack" and header.startswith("msgpack"):
            return library
    return None


def without_comments(text):
    """The text with comments and literals blanked, line by line the same."""
    return CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def used_tools(text):
    """(line, tool, word) of each call that only one layer may make."""
    code = without_comments(text)
    for tool, names in CALLS.items():
        # A plain or ::global call; members, other namespaces and declarations (`Process fork(`) are not it.
        for match in re.finditer(rf"(?<![\w.:>~])(?:::\s*)?({names})\s*\(", code):
            before = code[code.rfind("\n", 0, match.start()) + 1:match.start()].rstrip()
            declared = re.search(r"[\w>&*]$", before) and not re.search(
                r"\b(?:return|else|do|co_return|throw|case|and|or|not)$", before)
            if not declared:
                yield code.count("\n", 0, match.start(1)) + 1, tool, match.group(1)
    for match in SYSCALLS.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, "fork/exec", match.group()


def sources(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".h", ".cc", ".hpp", ".cpp", ".c"))


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def violations(root):
    root = pathlib.Path(root)
    reach = closure(layers((root / "framework/CMakeLists.txt").read_text()))
    links = families((root / "stages/CMakeLists.txt").read_text())
    found = []

    for path in sources(root / "framework"):
        place = path.relative_to(root / "framework").parts
        # framework/towpath/<layer>/file; the headers straight in towpath/ are the library's faces.
        layer = place[1] if place[0] == "towpath" and len(place) > 2 else None
        text = path.read_text(errors="surrogateescape")

        def breach(number, what):
            found.append(f"{path.relative_to(root)}:{number}: {what}")

        if layer is not None and layer != "cli" and layer not in reach:
            breach(1, f'"{layer}" has no line in framework/CMakeLists.txt')
            continue
        may = set(reach) if layer in (None, "cli") else reach[layer]
        owner_of = lambda library: layer in OWNERS.get(library, ())
        for number, quote, header in includes(text):
            if header.startswith("towpath/"):
                other = header.split("/")[1] if header.count("/") > 1 else None
                if other is None and layer not in (None, "cli"):
                    breach(number, f"{layer} includes {header}, which stands above it")
                elif other == "cli" and layer != "cli":
                    breach(number, f"{layer or 'a face'} includes {header}: nothing may include cli")
                elif other is not None and other not in may and not (other == "cli" and layer == "cli"):
                    breach(number, f"{layer} includes {header}: no arrow from {layer} to {other}")
            elif header.split("/")[0] in ("stages", "pipelines", "configs", "tests"):
                breach(number, f"the framework knows nothing of {header}")
            elif quote == '"':
                breach(number, f'"{header}" is not from an include root: write "towpath/<layer>/<file>"')
            else:
                library = library_of(header)
                if library and not owner_of(library):
                    owners = ", ".join(sorted(OWNERS.get(library, {"nobody"})))
                    breach(number, f"<{header}> belongs to {owners}")
        for number, tool, word in used_tools(text):
            if not owner_of(tool):
                breach(number, f"{word}() belongs to {', '.join(sorted(OWNERS[tool]))}")

    for path in sources(root / "stages"):
        family = path.relative_to(root / "stages").parts[0]
        text = path.read_text(errors="surrogateescape")

        def breach(number, what):
            found.append(f"{path.relative_to(root)}:{number}: {what}")

        if family not in links:
            breach(1, f'"{family}" has no line in stages/CMakeLists.txt')
            continue
        for number, quote, header in includes(text):
            if header.startswith("towpath/"):
                other = header.split("/")[1]
                if other not in STAGE_MAY_INCLUDE:
                    breach(number, f"a stage may not include {header}: {', '.join(sorted(STAGE_MAY_INCLUDE))} only")
            elif header.startswith("stages/"):
                if header.split("/")[1] != family:
                    breach(number, f"{family} includes {header}: a family knows only itself")
            elif quote == '"':
                breach(number, f'"{header}" is not from an include root: write "stages/{family}/<file>"')
            else:
                library = library_of(header)
                if library and (library in NOT_IN_STAGES or
                                not re.search(LINK_NAMES[library], links[family])):
                    breach(number, f"<{header}>: stages/CMakeLists.txt gives {family} no {library}")
        for number, tool, word in used_tools(text):
            breach(number, f"a stage may not call {word}()")
    return found
