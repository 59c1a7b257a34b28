#!/usr/bin/env python3
"""Writes the tour as one page: each example in Python and in C++, side by side, and what it prints.

usage: page.py PROGRAM OUTPUT.html

PROGRAM is towpath-tour, which knows the examples and their order; the sources lie beside this file.
"""
import html
import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent

HEAD = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Towpath: the tour of the multiprocessing library</title>
<style>
  body { font: 16px/1.5 sans-serif; margin: 2rem auto; max-width: 110rem; padding: 0 1rem }
  pre { background: #f4f4f1; font-size: 13px; line-height: 1.4; overflow-x: auto; padding: .8rem }
  .sides { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(34rem, 1fr)) }
  .sides > div { min-width: 0 }
  h3 { font-size: 1rem; margin: 0 }
  pre.printed { background: #fff; border-left: 3px solid #999 }
</style>
<h1>The tour of the multiprocessing library</h1>
<p>Small programs in reading order, each in Python and in C++, with what the C++ program prints
(Python's prints the same, or the text says why it does not). Run one with
<code>towpath-tour NAME</code>, all of them with <code>towpath-tour --all</code>.</p>
<p>In C++ each is a function of one program, whose <code>main</code> begins with
<code>towpath::init(argc, argv)</code>. To print as Python does they share a few helpers.</p>
<details><summary>main and the helpers</summary>
<pre>{main}</pre>
<pre>{helpers}</pre>
</details>
"""


def without_frame(source):
    """The comment at a C++ example's head as text, and its code with what it includes of ours by its name."""
    lines = source.splitlines()
    about = []
    while lines and lines[0].startswith("//"):
        about.append(lines.pop(0)[2:].strip())
    code = "\n".join(line for line in lines if not line.startswith('#include "pipelines/'))
    code = "#include <towpath/multiprocessing.h>\n" + code
    return " ".join(about), re.sub(r"\n{3,}", "\n\n", code).strip()


def page(listing):
    head = HEAD
    for place, name in (("{main}", "main.cc"), ("{helpers}", "tour.h")):
        head = head.replace(place, html.escape((FOLDER / name).read_text().strip()))
    parts = [head, "<ol>\n"]
    examples = [line.split(None, 1) for line in listing.splitlines()]
    for name, about in examples:
        parts.append(f'<li><a href="#{name}">{name}</a>: {html.escape(about)}</li>\n')
    parts.append("</ol>\n")
    for name, about in examples:
        text, code = without_frame((FOLDER / f"{name}.cc").read_text())
        python = (FOLDER / f"{name}.py").read_text().strip()
        printed = (FOLDER / f"{name}.txt").read_text().rstrip()
        parts.append(
            f'<h2 id="{name}">{name}: {html.escape(about)}</h2>\n<p>{html.escape(text)}</p>\n'
            f'<div class="sides">\n<div><h3>Python</h3><pre>{html.escape(python)}</pre></div>\n'
            f'<div><h3>C++</h3><pre>{html.escape(code)}</pre></div>\n</div>\n'
            f'<pre class="printed">{html.escape(printed)}</pre>\n')
    return "".join(parts) + "</html>\n"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    listing = subprocess.run([sys.argv[1], "--list"], check=True, capture_output=True, text=True).stdout
    output = pathlib.Path(sys.argv[2])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page(listing))
