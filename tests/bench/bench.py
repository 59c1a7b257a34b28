#!/usr/bin/env python3
"""Measures Towpath beside its peers on this machine: all cases in turn, round after round.

A figure from here is worth something beside the others of the same table only: machines differ, and one
machine differs from itself by the minute. So the ratio is taken round by round and its median shown.
"""
import argparse
import csv
import hashlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = HERE / "peers"
BENCH = ROOT / "build/bench"
DATA, BIN, OUT = BENCH / "data", BENCH / "bin", BENCH / "out"
PYTHON = "/usr/bin/python3"
TOWPATH = ROOT / "build/release/bin/towpath"


class Case:
    """One program to measure: a shell command that writes `out` from `data`."""

    def __init__(self, label, command, normal=None):
        self.label, self.command, self.normal = label, command, normal
        self.walls, self.cpus, self.sizes, self.check = [], [], [], ""


def peer_program(name):
    """A peer's C++ program, built as its Makefile says."""
    BIN.mkdir(parents=True, exist_ok=True)
    subprocess.run(["make", "-s", "-C", PEERS, f"BIN={BIN}", f"{BIN}/{name}"], check=True)
    return BIN / name


def made(name, script, *arguments):
    """A seeded input file, made once."""
    path = DATA / name
    if not path.exists():
        DATA.mkdir(parents=True, exist_ok=True)
        print(f"bench: making {path.relative_to(ROOT)}", file=sys.stderr)
        part = path.with_suffix(".part")
        subprocess.run([PYTHON, PEERS / script, part, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
        part.rename(path)
    return path


# What each program wrote, brought to one form, so that it can be compared.

def words_by_line(path):
    return sorted(path.read_text().splitlines())


def words_by_csv(path):
    with open(path, newline="") as file:
        return sorted(f"{row[0]} {row[1]}" for row in list(csv.reader(file))[1:])


def sums(path):
    with open(path, newline="") as file:
        return sorted((row[0], int(row[1]), round(float(row[2]), 2), round(float(row[3]), 4))
                      for row in list(csv.reader(file))[1:])


def towpath(config, **params):
    sets = " ".join(f"--set {name}={value}" for name, value in params.items())
    return f"cd {BENCH} && {TOWPATH} run {HERE / config} --quiet {sets} --set out=$OUT"


def word_count(megabytes):
    data = made(f"text-{megabytes}.txt", "gen_text.py", megabytes)
    count = "'{for(i=1;i<=NF;i++)n[$i]++} END{for(k in n) print k,n[k]}'"
    merge = "'{n[$1]+=$2} END{for(k in n) print k,n[k]}'"
    wc = peer_program("wc")
    return data, [
        Case("Towpath", towpath("word_count.yaml", **{"in": data}), words_by_csv),
        Case("GNU parallel --pipe-part -j2 + mawk",
             f"parallel -q --pipe-part --block -1 -j2 -a {data} mawk {count} | mawk {merge} | LC_ALL=C sort > $OUT",
             words_by_line),
        Case("mawk", f"mawk {count} {data} | LC_ALL=C sort > $OUT", words_by_line),
        Case("miller", "mlr --inidx --ifs ' ' --repifs --ocsv put -q "
             "'for(k,v in $*){@count[v]+=1} end{emit @count,\"word\"}' then sort -f word " + f"{data} > $OUT",
             words_by_csv),
        Case("Python Pool(2), map-reduce", f"{PYTHON} {PEERS}/wc_pool.py {data} $OUT 2", words_by_line),
        Case("C++ by hand, 1 process", f"{wc} {data} $OUT", words_by_line),
        Case("C++ by hand, 2 processes", f"{wc} {data} $OUT 2", words_by_line),
        Case("C++ by hand, 2 processes, SSE2 (limit)", f"{wc} {data} $OUT 2 fast", words_by_line),
    ]


def csv_group_by(megabytes):
    data = made(f"orders-{megabytes}.csv", "gen_csv.py", megabytes)
    first, merge = f"mawk -F, -f {PEERS}/etl1.awk", f"mawk -F, -f {PEERS}/etl1merge.awk"
    etl = peer_program("etl")
    return data, [
        Case("Towpath", towpath("csv.yaml", **{"in": data}), sums),
        Case("GNU parallel --pipe-part -j2 + mawk (not quote-aware)",
             f"parallel --pipe-part --block -1 -j2 -a {data} {first} | {merge} > $OUT", sums),
        Case("mawk (not quote-aware)", f"{first} {data} | {merge} > $OUT", sums),
        Case("miller", "mlr --csv filter '$status==\"ok\" && $amount>100' then "
             f"stats1 -a count,sum,mean -f amount -g country then sort -f country {data} > $OUT", sums),
        Case("Python csv + Pool(2), parent parses", f"{PYTHON} {PEERS}/etl_pool.py 1 {data} $OUT", sums),
        Case("Python csv + Pool(2), parent cuts blocks", f"{PYTHON} {PEERS}/etl_pool.py 1 {data} $OUT blocks", sums),
        Case("C++ by hand, 1 process", f"{etl} 1 {data} $OUT", sums),
        Case("C++ by hand, 2 processes (limit)", f"{etl} 1 {data} $OUT 2", sums),
    ]


def measure(case, out):
    """One run in a fresh shell: seconds, CPU seconds of all processes, MiB of the largest."""
    out.unlink(missing_ok=True)
    figures = OUT / "time"
    begin = time.perf_counter()
    done = subprocess.run(["/usr/bin/time", "-o", figures, "-f", "%M %U %S", "bash", "-o", "pipefail", "-c", case.command],
                          env={**os.environ, "OUT": str(out)}, capture_output=True, text=True)
    wall = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{case.label} failed with {done.returncode}: {done.stderr[-2000:]}")
    size, user, system = figures.read_text().split()[-3:]
    case.walls.append(wall)
    case.cpus.append(float(user) + float(system))
    case.sizes.append(float(size) / 1024)


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def whole_programs(title, data, cases, rounds):
    OUT.mkdir(parents=True, exist_ok=True)
    for round_ in range(rounds):
        for case in cases:
            out = OUT / re.sub(r"\W+", "_", case.label)
            print(f"bench: round {round_ + 1} of {rounds}: {case.label}", file=sys.stderr)
            measure(case, out)
            if round_ == 0:
                case.check = hashlib.sha256(repr(case.normal(out)).encode()).hexdigest()[:8]
            out.unlink()
    size = data.stat().st_size / 1e6
    lines = [f"### {title}: {data.name}, {size:.0f} MB, {rounds} rounds in turn", "",
             "| program | MB/s | seconds (least–most) | CPU s | largest process, MiB | Towpath's speed ÷ its | output |",
             "|---|---|---|---|---|---|---|"]
    ours = cases[0]
    for case in cases:
        ratios = [theirs / mine for theirs, mine in zip(case.walls, ours.walls)]
        ratio = "1" if case is ours else spread(ratios, ".2f")
        lines.append(f"| {case.label} | {size / statistics.median(case.walls):.0f} | {spread(case.walls, '.2f')} | "
                     f"{statistics.median(case.cpus):.2f} | {statistics.median(case.sizes):.0f} | {ratio} | {case.check} |")
    checks = {case.check for case in cases}
    lines += ["", "All outputs agree." if len(checks) == 1 else "**The outputs differ.**"]
    return lines, len(checks) == 1


def start(rounds):
    """From exec to the first row on stdout, and to the end, of a pipeline of five stages."""
    OUT.mkdir(parents=True, exist_ok=True)
    first = {method: [] for method in ("forkserver", "spawn", "fork")}
    end = {method: [] for method in first}
    for _ in range(rounds * 4):
        for method in first:
            begin = time.perf_counter()
            process = subprocess.Popen([TOWPATH, "run", HERE / "start.yaml", "--quiet", "--start-method", method],
                                       cwd=BENCH, stdout=subprocess.PIPE)
            if not process.stdout.read(1):
                raise RuntimeError("start.yaml printed nothing")
            first[method].append((time.perf_counter() - begin) * 1000)
            process.stdout.read()
            if process.wait():
                raise RuntimeError(f"start.yaml ended with {process.returncode}")
            end[method].append((time.perf_counter() - begin) * 1000)
    lines = [f"### Start of a pipeline of five stages, {rounds * 4} rounds in turn", "",
             "| start method | to the first row, ms | to the end, ms |", "|---|---|---|"]
    lines += [f"| {method} | {spread(first[method], '.0f')} | {spread(end[method], '.0f')} |" for method in first]
    return lines, True


# What the library is held to: of one case's figure (which of them) over a peer's, in the same round.
LIBRARY_GOALS = {
    "A": [
        ("Towpath Queue", "Python mp.Queue", 0, ">=", 60),
        ("Towpath Queue", "libzmq PUSH/PULL ipc, 1 msg/record", 0, ">=", 3),
        ("Towpath Queue", "libzmq ipc, msgpack bin64 x1024 (visitor)", 0, ">=", 0.6),
        ("Towpath Queue over ZeroMQ", "Python mp.Queue", 0, ">=", None),
        ("Towpath Queue over ZeroMQ", "libzmq PUSH/PULL ipc, 1 msg/record", 0, ">=", None),
        ("Towpath Connection send/recv", "Python mp.Pipe send/recv", 0, ">=", 30),
        ("Towpath Connection send_bytes", "Python mp.Pipe send_bytes", 0, ">=", 30),
    ],
    "B": [
        ("Towpath Connection send_bytes", "Python Pipe send_bytes", 0, "<=", 0.5),
        ("Towpath Connection send_bytes", "shm + eventfd", 0, "<=", 1.5),
        ("Towpath Connection send_bytes", "Python Pipe send_bytes", 1, "<=", 1),
    ],
    "C": [
        ("Towpath Connection, by loan, consumer reads all", "shm slots + futex, consumer reads all", 0, ">=", 0.9),
        ("Towpath Queue, by loan, getter reads all", "shm slots + futex, consumer reads all", 0, ">=", 0.9),
        ("Towpath Connection, producer copies in, consumer reads all where it lies",
         "shm slots + futex, producer copies in, consumer reads all", 0, ">=", None),
        ("Towpath Queue, putter copies in, getter reads all",
         "shm slots + futex, producer copies in, consumer reads all", 0, ">=", None),
    ],
    "D": [
        ("Towpath Pool(2).map", "Python Pool(2).map default chunksize", 0, ">=", 4),
        ("Towpath Pool(2).map", "Python Pool(2).map chunksize=1", 0, ">=", 100),
        ("Towpath Executor(2).submit", "Python ProcessPoolExecutor.map chunksize=1", 0, ">=", 50),
        ("Towpath Pool(2).imap of 100 M, and growth in MiB", None, 1, "<=", 8),
    ],
    "S": [
        ("Towpath Process forkserver, parent holds 200 MB", None, 0, "<=", 1.5),
        ("Towpath Process spawn, parent holds 200 MB", None, 0, "<=", 8),
    ],
}


def library_goals(group):
    """A table of the group's ratios, each formed within a round."""
    figures = json.loads((BENCH / f"result-{group}.json").read_text())
    rows = []
    for ours, peer, column, relation, goal in LIBRARY_GOALS.get(group, []):
        if not figures.get(ours) or (peer and not figures.get(peer)):
            rows.append(f"| {ours} | {peer or ''} | not measured | | |")
            continue
        values = [row[column] for row in figures[ours]]
        if peer:
            values = [mine / theirs[column] for mine, theirs in zip(values, figures[peer])]
        median = statistics.median(values)
        met = None if goal is None else median >= goal if relation == ">=" else median <= goal
        wanted = "" if goal is None else f"{relation} {goal}"
        rows.append(f"| {ours} | {peer or 'the figure itself'} | {spread(values, '.3g')} | {wanted} | "
                    f"{'' if met is None else 'yes' if met else '**no**'} |")
    if not rows:
        return []
    return ["| Towpath | ÷ its peer | ratio (least–most) | goal | met |", "|---|---|---|---|---|", *rows, ""]


def steadiness():
    """Of each family of cases that differ by a number only: its slowest ÷ its fastest member."""
    families = {}
    for label, runs in json.loads((BENCH / "result-L.json").read_text()).items():
        if runs:
            families.setdefault(re.sub(r"\d+", "N", label), []).append(
                statistics.median(row[0] for row in runs))
    rows = [f"| {family} | {len(values)} | {min(values) / max(values):.2f} |" for family, values in families.items()]
    return ["| N from least to most | cases | slowest ÷ fastest |", "|---|---|---|", *rows, ""]


def library(rounds):
    """Peers of the library: small messages, round trips, large frames, pools, process start."""
    lines = []
    for program in ("chan", "ping", "large", "codec", "spawn"):
        peer_program(program)
    for group, title in (("A", "64-byte messages, records/s"), ("B", "round trip of 64 bytes, µs (p50, p99)"),
                         ("C", "frames of 6 MB, frames/s and GB/s"), ("D", "tasks of a pool, tasks/s"),
                         ("S", "start of a process, ms"),
                         ("L", "costs beside what there is of something, per second")):
        print(f"bench: group {group}: {title}", file=sys.stderr)
        # Peers that need packages beyond Debian's python3 are left out.
        table = subprocess.run([PYTHON, PEERS / "runset.py", group, str(rounds), r"^(?!.*(pyzmq|joblib|numpy|Python shared_memory|Queue of bytes)).*$"],
                               env={**os.environ, "BENCH_BIN": str(BIN), "BENCH_OUT": str(BENCH),
                                    "BENCH_TOWPATH": str(TOWPATH.parent)}, check=True,
                               stdout=subprocess.PIPE, text=True).stdout
        rows = table.splitlines()
        figures = rows[0].count(" | ") - 2 if rows else 0
        lines += [f"### {title}, {rounds} rounds in turn", "",
                  "| case | command |" + " figure |" * figures + " runs |", "|---" * (figures + 3) + "|", *rows, "", *library_goals(group)]
        if group == "L":
            lines += steadiness()
    return lines, True


GROUPS = {
    "word_count": lambda o: whole_programs("Word count", *word_count(o.size), o.rounds),
    "csv": lambda o: whole_programs("CSV: filter, then group by", *csv_group_by(o.size), o.rounds),
    "start": lambda o: start(o.rounds),
    "library": lambda o: library(o.rounds),
}


def main():
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__.splitlines()[0],
        epilog="example: ./dev bench word_count --size 256 --rounds 7; writes build/bench/word_count.md")
    parser.add_argument("group", nargs="*", choices=[*GROUPS, []], metavar="GROUP",
                        help=f"{', '.join(GROUPS)}; default: all but library")
    parser.add_argument("--rounds", type=int, default=5, help="at least 5 mean something (default 5)")
    parser.add_argument("--size", type=int, default=128, help="megabytes of input (default 128)")
    options = parser.parse_args()
    if not shutil.which("/usr/bin/time"):
        sys.exit("bench: no /usr/bin/time: ./dev setup bench")
    failed = False
    for group in options.group or ["word_count", "csv", "start"]:
        lines, agree = GROUPS[group](options)
        text = "\n".join(lines) + "\n"
        BENCH.mkdir(parents=True, exist_ok=True)
        (BENCH / f"{group}.md").write_text(text)
        print(text)
        failed |= not agree
    sys.exit(failed)


main()
