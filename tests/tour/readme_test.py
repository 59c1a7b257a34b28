"""The README's program, built with the README's own line."""
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["TOWPATH_BUILD"])


def block(text, language, word):
    """The first fenced block of that language that has the word."""
    for found in re.finditer(rf"```{language}\n(.*?)```", text, re.DOTALL):
        if word in found.group(1):
            return found.group(1)
    raise AssertionError(f"README.md: no {language} block with {word}")


class Readme(unittest.TestCase):
    def test_its_program_builds_as_it_says_and_runs(self):
        text = (ROOT / "README.md").read_text()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "squares.cc").write_text(block(text, "cpp", "towpath::Pool"))
            (path / "framework").symlink_to(ROOT / "framework")
            (path / "build").mkdir()
            (path / "build" / "release").symlink_to(BUILD)
            line = block(text, "sh", "-ltowpath").replace("$PWD", shlex.quote(folder))
            # -O2 says nothing here that takes its time.
            built = subprocess.run(shlex.split(line.replace("-O2", "-O0")), cwd=path, text=True,
                                   capture_output=True, timeout=120)
            self.assertEqual((built.returncode, built.stderr), (0, ""))
            ran = subprocess.run([path / "squares"], text=True, capture_output=True, timeout=60)
            self.assertEqual((ran.returncode, ran.stdout, ran.stderr), (0, "9\n16\n25\n36\n", ""))


if __name__ == "__main__":
    unittest.main()
