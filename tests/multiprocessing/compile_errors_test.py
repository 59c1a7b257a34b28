"""What the compiler says of what can't be: it names the type, and says what is to be done."""
import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = ROOT / "tests/multiprocessing/compile_errors.inc"


def compiler():
    cache = pathlib.Path(os.environ["TOWPATH_BUILD"], "CMakeCache.txt").read_text()
    return re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", cache, re.M).group(1)


def errors():
    """[(line of the cases, all that was said of the error)]"""
    run = subprocess.run(
        [compiler(), "-std=c++20", "-fsyntax-only", "-fno-diagnostics-show-caret", f"-I{ROOT / 'framework'}",
         "-x", "c++", CASES],
        env=os.environ | {"LC_ALL": "C"}, stderr=subprocess.PIPE, text=True)
    found, said = [], []
    for line in run.stderr.splitlines():
        said.append(line)
        if " error: " in line:
            places = re.findall(r"compile_errors\.inc:(\d+):", "\n".join(said))
            found.append((int(places[-1]) if places else 0, "\n".join(said)))
            said = []
    return found


class CompileErrors(unittest.TestCase):
    def test_each_is_one_and_says_what_is_to_be_done(self):
        self.maxDiff = None
        found = errors()
        expected = {}
        for number, line in enumerate(CASES.read_text().splitlines(), 1):
            if match := re.search(r"// error: (?:\[(.+?)\] )?(.+)$", line):
                if not line.startswith("//"):
                    expected[number] = match.groups()
        self.assertGreater(len(expected), 40)
        self.assertEqual([line for line, _ in found if line not in expected], [], found)
        for number, (type_, text) in expected.items():
            with self.subTest(line=number):
                of_line = [said for line, said in found if line == number]
                self.assertEqual(len(of_line), 1, of_line)
                said = re.sub(r"towpath::(calls::)?", "", of_line[0])
                self.assertIn(text, said.splitlines()[-1])
                self.assertIn(type_ or "", said)


if __name__ == "__main__":
    unittest.main()
