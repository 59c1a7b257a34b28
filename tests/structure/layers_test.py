#!/usr/bin/env python3
"""Do the sources keep to the layer table, and would we notice if they didn't?"""
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import layers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Structure(unittest.TestCase):
    def test_every_include_and_call_keeps_to_the_layer_table(self):
        found = layers.violations(ROOT)
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_the_table_covers_every_folder(self):
        table = layers.layers((ROOT / "framework/CMakeLists.txt").read_text())
        folders = {path.name for path in (ROOT / "framework/towpath").iterdir() if path.is_dir()}
        self.assertLessEqual(folders, set(table) | {"cli"})
        self.assertGreater(len(table), 15)  # the table was really read


class Broken(unittest.TestCase):
    """Each breach, put into a tree of its own that keeps the real tables, is found in its place."""

    def breach(self, path, text, expected):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in ("framework", "stages"):
                (root / name).mkdir()
                shutil.copy(ROOT / name / "CMakeLists.txt", root / name)
            self.assertEqual([], layers.violations(root))
            file = root / path
            file.parent.mkdir(parents=True)
            file.write_text("#pragma once\n" + text + "\n")
            found = layers.violations(root)
            if expected is None:
                self.assertEqual([], found)
            else:
                self.assertEqual(1, len(found), found)
                self.assertTrue(found[0].startswith(f"{path}:2: "), found[0])
                self.assertIn(expected, found[0])

    def test_an_arrow_that_is_not_in_the_table_is_found(self):
        self.breach("framework/towpath/memory/a.h", '#include "towpath/channel/queue.h"', "no arrow")
        self.breach("framework/towpath/graph/a.h", '#include "towpath/process/process.h"', "no arrow")
        self.breach("framework/towpath/base/a.h", '#  include "towpath/multiprocessing.h"', "stands above")
        self.breach("framework/towpath/view/a.h", '#include "towpath/cli/run.h"', "nothing may include cli")

    def test_arrows_are_transitive_and_all_stand_on_base(self):
        self.breach("framework/towpath/coordinator/a.h", '#include "towpath/memory/arena.h"', None)
        self.breach("framework/towpath/expr/a.h", '#include "towpath/base/error.h"', None)
        self.breach("framework/towpath/cli/a.h", '#include "towpath/coordinator/ledger.h"', None)
        self.breach("framework/towpath/multiprocessing.h", '#include "towpath/pool/pool.h"', None)

    def test_the_framework_knows_no_stage(self):
        self.breach("framework/towpath/graph/a.h", '#include "stages/core/filter.h"', "knows nothing of")

    def test_a_relative_include_is_found(self):
        self.breach("framework/towpath/graph/a.h", '#include "../expr/expression.h"', "include root")

    def test_a_library_outside_its_folder_is_found(self):
        for layer, header, owner in (
                ("process", "zmq.hpp", "channel"), ("channel", "msgpack.hpp", "message"),
                ("channel", "msgpack/v3/pack.hpp", "message"), ("graph", "yaml-cpp/yaml.h", "config"),
                ("view", "sqlite3.h", "run"), ("worker", "dlfcn.h", "plugin"), ("host", "spawn.h", "process"),
                ("graph", "fmt/format.h", "base"), ("stage", "re2/re2.h", "expr"), ("message", "xxhash.h", "expr"),
                ("view", "nlohmann/json.hpp", "message"), ("run", "zlib.h", "input"), ("view", "CLI/CLI.hpp", "cli"),
                ("expr", "regex", "nobody")):
            with self.subTest(header=header):
                self.breach(f"framework/towpath/{layer}/a.h", f"#include <{header}>", owner)

    def test_a_library_in_its_own_folder_is_allowed(self):
        for layer, header in (("channel", "zmq.h"), ("message", "msgpack.hpp"), ("run", "sqlite3.h"),
                              ("plugin", "dlfcn.h"), ("process", "spawn.h"), ("cli", "CLI/CLI.hpp")):
            with self.subTest(header=header):
                self.breach(f"framework/towpath/{layer}/a.h", f"#include <{header}>", None)

    def test_a_process_started_outside_process_is_found(self):
        for call in ("int pid = fork();", "if (::fork() == 0) {}", "return vfork();", "::execve(a, b, c);",
                     "execvp (a, b);", "posix_spawn(&p, a, 0, 0, b, c);", "FILE* f = popen(a, b);",
                     "system(a);", "syscall(SYS_clone3, a, b);", "auto x = ::clone(f, s, 0, 0);"):
            with self.subTest(call=call):
                self.breach("framework/towpath/host/a.h", call, "belongs to process")
        self.breach("framework/towpath/process/a.h", "int pid = fork();", None)

    def test_a_library_opened_outside_plugin_is_found(self):
        self.breach("framework/towpath/worker/a.h", "void* h = dlopen(p, 1);", "belongs to plugin")

    def test_words_in_comments_strings_and_members_are_no_calls(self):
        for text in ("// fork() is not for us", '/* system(a) */ const char* a = "fork() failed";',
                     "server.fork(request);", "server->fork(request);", "Method::fork();", "int prefork();",
                     "const char* r = R\"(dlopen(x))\";", "std::unique_ptr<T> clone() const;"):
            with self.subTest(text=text):
                self.breach("framework/towpath/host/a.h", text, None)

    def test_a_stage_that_looks_behind_its_interface_is_found(self):
        for text, expected in (
                ('#include "towpath/process/process.h"', "may not include"),
                ('#include "towpath/memory/arena.h"', "may not include"),
                ('#include "towpath/worker/worker.h"', "may not include"),
                ('#include "stages/csv/read.h"', "knows only itself"),
                ("#include <sqlite3.h>", "no sqlite"), ("#include <zmq.h>", "no zmq"),
                ("#include <fmt/core.h>", "no fmt"),
                ('int pid = fork();', "may not call fork()"), ("dlopen(p, 1);", "may not call dlopen()")):
            with self.subTest(text=text):
                self.breach("stages/core/a.h", text, expected)

    def test_a_stage_may_use_what_its_family_links(self):
        self.breach("stages/sqlite/a.h", "#include <sqlite3.h>", None)
        self.breach("stages/json/a.h", "#include <simdjson.h>", None)
        self.breach("stages/core/a.h", '#include "towpath/stage/stage.h"', None)

    def test_a_folder_without_a_line_in_the_table_is_found(self):
        with self.assertRaises(AssertionError):
            self.breach("framework/towpath/utils/a.h", "", None)
        with self.assertRaises(AssertionError):
            self.breach("stages/utils/a.h", "", None)

    def test_a_circle_in_the_table_is_refused(self):
        with self.assertRaisesRegex(ValueError, "circle"):
            layers.closure({"base": set(), "a": {"b"}, "b": {"a"}})
        with self.assertRaisesRegex(ValueError, "which is none"):
            layers.closure({"base": set(), "a": {"nowhere"}})


if __name__ == "__main__":
    unittest.main()
