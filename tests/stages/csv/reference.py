"""What Python's csv module says: python3 reference.py random SEED FOLDER, or parse FILE OUT.

`random` writes case-*.csv and, beside each, case-*.json; `parse` the JSON of one file. The JSON is
{"rows": [[cell, ...], ...], "ragged": n}: the records as wide as the first, '' for null, blank lines left out.
"""
import csv
import json
import pathlib
import random
import sys


def parse(path):
    with open(path, newline="", encoding="utf-8") as file:
        records = [record for record in csv.reader(file) if record]
    width = len(records[0]) if records else 0
    rows = [record for record in records if len(record) == width]
    return {"rows": rows, "ragged": len(records) - len(rows)}


def make(seed, folder):
    draw = random.Random(seed)
    for number in range(60):
        width = draw.randrange(2, 7)
        alphabet = draw.choice(['ab,"\n\r é', 'abc', '",', 'x"\n', "0123456789.-", "word ,"])
        longest = draw.choice([3, 12, 200])
        quoting = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
        path = folder / f"case-{number}.csv"
        with open(path, "w", newline="", encoding="utf-8") as file:
            # With "\\n" alone Python's writer leaves a lone "\\r" unquoted, which its reader takes for a line end.
            ends = ["\r\n"] if "\r" in alphabet else ["\n", "\r\n"]
            writer = csv.writer(file, quoting=quoting, lineterminator=draw.choice(ends))
            for row in range(draw.randrange(1, 120)):
                ragged = row > 0 and draw.random() < 0.05
                cells = width + (draw.choice([-1, 1, 2]) if ragged else 0)
                writer.writerow(["".join(draw.choices(alphabet, k=draw.randrange(longest + 1)))
                                 for _ in range(cells)])
                if draw.random() < 0.05:
                    file.write("\n")
        path.with_suffix(".json").write_text(json.dumps(parse(path)))


if sys.argv[1] == "random":
    make(int(sys.argv[2]), pathlib.Path(sys.argv[3]))
else:
    pathlib.Path(sys.argv[3]).write_text(json.dumps(parse(sys.argv[2])))
