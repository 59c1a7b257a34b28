#!/usr/bin/env python3
"""The four pipelines in configs/ give what an independent program computes, byte for byte, and the same
bytes for any number of workers, start method, memory and size of batch."""
import collections
import csv
import glob
import gzip
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import unittest

from harness import ROOT, TowpathTest, counted_words, csv_bytes, zipf_text

CONFIGS = ROOT / "configs"
IEEE = pathlib.Path("/usr/share/ieee-data")


class ConfigTest(TowpathTest):
    """`name` is the config; `pools` its stages that may have several workers; `csv_file` its output."""
    name, pools, csv_file = "", (), ""

    def expect(self, expected, *arguments, code=0):
        """Runs the config afresh and compares its CSV with `expected`; → the run."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        done = self.towpath("run", CONFIGS / f"{self.name}.yaml", "--json", *arguments, code=code)
        self.assert_same_bytes(expected, self.read(self.csv_file), " ".join(map(str, arguments)))
        self.check_database(expected)
        self.assertEqual([], list(self.folder.glob("out/*.partial")))
        return done

    def check_database(self, expected):
        pass

    def expect_for_any_number_of_workers(self, expected, *arguments):
        for workers in (1, 2, 4, 8):
            done = self.expect(expected, *arguments, *(f"--workers={pool}={workers}" for pool in self.pools))
            stages = done.ledger()["stages"]
            for pool in self.pools:
                self.assertEqual(workers, stages[pool]["workers"], pool)

    def expect_for_each_start_method(self, expected, *arguments):
        for method in ("forkserver", "spawn", "fork"):
            self.expect(expected, *arguments, "--start-method", method)

    def expect_for_little_and_much_memory(self, expected, *arguments):
        for memory in ("32MiB", "1GiB"):
            self.expect(expected, *arguments, "--memory", memory)

    def expect_for_batches_of_any_size(self, expected, *arguments):
        for rows in (1, 7, 4096):
            self.expect(expected, *arguments, "--batch-rows", rows)

    def database(self, path, table):
        """The rows in the order in which they were written."""
        connection = sqlite3.connect(f"file:{self.folder / path}?mode=ro", uri=True)
        connection.text_factory = bytes
        try:
            cursor = connection.execute(f"SELECT * FROM {table} ORDER BY rowid")
            return [column[0] for column in cursor.description], cursor.fetchall()
        finally:
            connection.close()


class WordCount(ConfigTest):
    name, pools, csv_file = "word_count", ("lines", "words", "count"), "out/word_count.csv"

    def text(self):
        for i in range(4):
            zipf_text(self.folder / f"in{i}.txt", (i + 1) << 20, seed=i)
        # No newline at the end, an empty file, CR LF, and words that CSV must quote.
        self.write("in4.txt", 'the end, "the\r\n\r\n  end"\tthe\vlast\fone, no newline')
        self.write("in5.txt", "")
        return counted_words(sorted(self.folder.glob("in*.txt"))), "--set=in=in*.txt"

    def test_equals_coreutils_on_the_text_of_this_machine(self):
        paths = sorted(path for path in glob.glob("/usr/share/doc/*/copyright") if os.path.isfile(path))
        self.assertGreater(len(paths), 50)
        self.expect(counted_words(paths))

    def test_is_the_same_for_any_number_of_workers(self):
        self.expect_for_any_number_of_workers(*self.text())

    def test_is_the_same_for_each_start_method(self):
        self.expect_for_each_start_method(*self.text())

    def test_is_the_same_in_little_and_much_memory(self):
        self.expect_for_little_and_much_memory(*self.text())

    def test_is_the_same_for_batches_of_any_size(self):
        paths = ["/usr/share/common-licenses/BSD", "/usr/share/common-licenses/Artistic"]
        for i, path in enumerate(paths):
            shutil.copy(path, self.folder / f"in{i}.txt")
        self.expect_for_batches_of_any_size(counted_words(paths), "--set=in=in*.txt")

    def test_reads_gzip_and_zstd_by_content(self):
        expected, where = self.text()
        plain = self.read("in2.txt")
        self.write("in2.txt", gzip.compress(plain[:100_000]) + gzip.compress(plain[100_000:]))
        subprocess.run(["zstd", "-q", "--rm", self.folder / "in3.txt", "-o", self.folder / "packed"], check=True)
        (self.folder / "packed").rename(self.folder / "in3.txt")
        self.expect(expected, where)


class Vendors(ConfigTest):
    name, pools, csv_file = "vendors", ("known",), "out/vendors.csv"

    def counted(self, folder=IEEE):
        """The answer by Python's csv module; → (bytes, rows read, rows left out)."""
        counts, read, without = collections.Counter(), 0, 0
        for name in ("oui", "oui36", "mam", "iab"):
            with open(f"{folder}/{name}.csv", newline="", encoding="utf-8", errors="surrogateescape") as file:
                for row in csv.DictReader(file):
                    read += 1
                    if row["Organization Address"].strip(" \t\r\n\v\f"):
                        key = (row["Registry"], row["Organization Name"])
                        counts[tuple(text.encode("utf-8", "surrogateescape") for text in key)] += 1
                    else:
                        without += 1
        rows = [[*key, count] for key, count in sorted(counts.items())]
        return csv_bytes(["registry", "organisation", "assignments"], rows), read, without

    def check_database(self, expected):
        names, rows = self.database("out/vendors.db", "vendors")
        self.assertEqual(expected, csv_bytes(names, rows))

    def test_equals_python_csv_and_sqlite_holds_the_same(self):
        expected, read, without = self.counted()
        self.assertGreater(read, 40_000)
        done = self.expect(expected)
        stages = done.ledger()["stages"]
        self.assertEqual((read, 0), (stages["rows"]["out"], stages["rows"]["rejected"]))
        self.assertEqual((read, read - without, without), tuple(stages["known"][k] for k in ("in", "out", "filtered")))

    def test_is_the_same_for_any_number_of_workers(self):
        self.expect_for_any_number_of_workers(self.counted()[0])

    def test_is_the_same_for_each_start_method(self):
        self.expect_for_each_start_method(self.counted()[0])

    def test_is_the_same_in_little_and_much_memory(self):
        self.expect_for_little_and_much_memory(self.counted()[0])

    def some(self, damage=lambda lines: lines):
        """A copy of the first rows of each file, without those that a newline splits."""
        for name in ("oui", "oui36", "mam", "iab"):
            with open(IEEE / f"{name}.csv", "rb") as file:
                whole = [line for line in file.read().split(b"\r\n")[:300] if b"\n" not in line]
            self.write(f"some/{name}.csv", b"".join(line + b"\r\n" for line in damage(whole)))
        return f"--set=in={self.folder}/some"

    def test_is_the_same_for_batches_of_any_size(self):
        where = self.some()
        self.expect_for_batches_of_any_size(self.counted(self.folder / "some")[0], where)

    def test_damaged_rows_are_rejected_with_file_line_and_reason(self):
        where = self.some()
        expected = self.counted(self.folder / "some")[0]

        def damage(lines):
            # Between the sound rows: a row of two fields and one of six.
            return lines[:100] + [b"MA-L,000000"] + lines[100:200] + [b"MA-L,000001,a,b,c,d"] + lines[200:]

        self.some(damage)
        config = (CONFIGS / "vendors.yaml").read_text()
        self.write("damaged.yaml", config + "max_rejects: 8\n")
        done = self.towpath("run", "damaged.yaml", where, "--json", code=3)
        self.assert_same_bytes(expected, self.read("out/vendors.csv"))
        stages = done.ledger()["stages"]
        self.assertEqual(8, stages["rows"]["rejected"])
        rejects = (self.folder / ".towpath/runs" / done.ledger()["run"] / "rejects.jsonl").read_text().splitlines()
        self.assertEqual(8, len(rejects))
        for name in ("oui", "oui36", "mam", "iab"):
            self.assertEqual(2, sum(f"/some/{name}.csv" in line for line in rejects), rejects)
        for line in rejects:
            self.assertRegex(line, r'"line": ?(101|202)\b')
            self.assertIn("MA-L,00000", line)
        # Without leave to reject, the same run fails and shows no output.
        shutil.rmtree(self.folder / "out")
        self.towpath("run", CONFIGS / "vendors.yaml", where, code=1)
        self.assertEqual([], list(self.folder.glob("out/*")))


class Packages(ConfigTest):
    name, pools, csv_file = "packages", ("sized",), "out/packages.csv"

    def by_section(self, lines):
        """Of "section<TAB>size" lines: the 20 sections that take most, with their packages and KiB."""
        sums = {}
        for line in lines:
            section, size = line.split("\t")
            if size:
                one = sums.setdefault(section, [0, 0])
                one[0] += 1
                one[1] += int(size)
        top = sorted(sums.items(), key=lambda item: (-item[1][1], item[0]))[:20]
        return csv_bytes(["section", "packages", "kib"], [[section, *one] for section, one in top])

    def index(self, repeat=1):
        """A small index of our own, with continuation lines, odd spacing and fields that lack."""
        stanzas = []
        for i in range(300 * repeat):
            stanza = f"Package: p{i}\n"
            if i % 7:
                stanza += f"Section: s{i % 31}\n"
            if i % 5:
                stanza += f"installed-size:{' ' * (i % 3)}{i * 37 % 1000}\n"
            stanza += f"Description: short {i}\n a long text: with a colon\n .\n Section: of a book\n"
            stanzas.append(stanza)
        self.write("index", "\n\n".join(stanzas))
        lines = (f"s{i % 31}\t{i * 37 % 1000 if i % 5 else ''}" for i in range(300 * repeat) if i % 7)
        return self.by_section(lines), "--set=in=index"

    def test_equals_dpkg_query_on_the_packages_of_this_machine(self):
        lines = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status}\t${Section}\t${Installed-Size}\n"],
                               check=True, capture_output=True, text=True).stdout.splitlines()
        self.assertGreater(len(lines), 80)
        installed = [line.partition("\t")[2] for line in lines if line.startswith("installed\t")]
        self.expect(self.by_section(line for line in installed if not line.startswith("\t")))

    def test_is_the_same_for_any_number_of_workers(self):
        self.expect_for_any_number_of_workers(*self.index(100))

    def test_is_the_same_for_each_start_method(self):
        self.expect_for_each_start_method(*self.index())

    def test_is_the_same_in_little_and_much_memory(self):
        self.expect_for_little_and_much_memory(*self.index(100))

    def test_is_the_same_for_batches_of_any_size(self):
        self.expect_for_batches_of_any_size(*self.index())


class Sales(ConfigTest):
    name, pools, csv_file = "sales", ("clean", "daily"), "out/daily.csv"

    def summed(self, rows):
        """The answer by Python from the generated rows, which a pipeline of one source and one sink writes."""
        config = (CONFIGS / "sales.yaml").read_text()
        source = re.search(r"(?ms)^stages:\n(  sales:\n.*?)(?=^  \w)", config)[1]
        self.write("raw.yaml", f"towpath: 1\npipeline: raw\nparams: {{ rows: {rows} }}\nstages:\n{source}"
                   "  raw: { from: sales, csv.write: raw.csv }\n")
        self.towpath("run", "raw.yaml", "--quiet")
        sums, read, kept = {}, 0, 0
        with open(self.folder / "raw.csv", newline="") as file:
            for row in csv.DictReader(file):
                read += 1
                qty, price = int(row["qty"]), float(row["price"])
                if qty > 0 and row["country"]:
                    kept += 1
                    one = sums.setdefault((row["day"], row["country"].upper()), [0, 0.0])
                    one[0] += 1
                    one[1] += round(qty * price, 2)
        self.assertEqual(rows, read)
        self.assertTrue(0.7 * rows < kept < 0.9 * rows, kept)
        return csv_bytes(["day", "country", "orders", "revenue"],
                         [[*key, *one] for key, one in sorted(sums.items())]), f"--set=rows={rows}"

    def check_database(self, expected):
        names, rows = self.database("out/sales.db", "daily")
        self.assertEqual(expected, csv_bytes(names, rows))

    def test_equals_python_on_the_generated_rows(self):
        expected, _ = self.summed(1_000_000)
        self.assertEqual(1 + 5 * 365, len(expected.splitlines()))
        self.expect(expected)

    def test_is_the_same_for_any_number_of_workers(self):
        self.expect_for_any_number_of_workers(*self.summed(300_000))

    def test_is_the_same_for_each_start_method(self):
        self.expect_for_each_start_method(*self.summed(100_000))

    def test_is_the_same_in_little_and_much_memory(self):
        self.expect_for_little_and_much_memory(*self.summed(300_000))

    def test_is_the_same_for_batches_of_any_size(self):
        self.expect_for_batches_of_any_size(*self.summed(2_000))


if __name__ == "__main__":
    unittest.main()
