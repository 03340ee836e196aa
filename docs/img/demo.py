#!/usr/bin/env python3
"""demo.py OUTPUT SVG: draws what `make demo` has printed as a terminal window (`make demo-picture`)."""

import re
import sys
from html import escape

COLUMN, LINE, LEFT, TOP = 8.43, 19, 20, 54
STYLE = """
    text { font: 14px ui-monospace, SFMono-Regular, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #e6edf3;
           white-space: pre }
    .title { font-weight: 600 }
    .note { fill: #9198a1 }
    .change { fill: #79c0ff; font-weight: 600 }
    .good { fill: #3fb950 }
    .bad { fill: #ff7b72 }
"""


def spans(line: str) -> list[tuple[str, str]]:
    """The parts of a line, each with its class."""
    if line.startswith("cloudhosts  "):
        return [("title", "cloudhosts"), ("note", line.removeprefix("cloudhosts"))]
    if step := re.fullmatch(r"(\d+) (.*)", line):
        return [("note", step[1] + " "), ("title", step[2])]
    if change := re.fullmatch(r"(  \$ )(redis-cli .*?)((?:  ✓ seen after .*)?)", line):
        return [("note", change[1]), ("change", change[2]), ("good", change[3])]
    if command := re.fullmatch(r"(  \$ )(.*)", line):
        return [("note", command[1]), ("", command[2])]
    if answer := re.fullmatch(r"( *)([✓✗])( .*)", line):
        mark = "good" if answer[2] == "✓" else "bad"
        return [("", answer[1]), (mark, answer[2]), (mark if "seen after" in line else "", answer[3])]
    return [("note", line)]


def draw(lines: list[str]) -> str:
    """The picture."""
    width = round(2 * LEFT + COLUMN * max(map(len, lines)))
    height = TOP + LINE * len(lines) + 4
    rows = []
    for number, line in enumerate(lines):
        parts = "".join(
            f'<tspan class="{name}">{escape(text)}</tspan>' if name else escape(text)
            for name, text in spans(line)
            if text
        )
        if parts:
            rows.append(f'  <text x="{LEFT}" y="{TOP + LINE * number}" xml:space="preserve">{parts}</text>')
    dots = "".join(
        f'<circle cx="{LEFT + 4 + 20 * number}" cy="18" r="6" fill="{colour}"/>'
        for number, colour in enumerate(["#ff5f57", "#febc2e", "#28c840"])
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img"',
            '     aria-labelledby="title">',
            '  <title id="title">What make demo prints</title>',
            f"  <style>{STYLE}  </style>",
            f'  <rect width="{width}" height="{height}" rx="10" fill="#0d1117"/>',
            f"  {dots}",
            *rows,
            "</svg>",
            "",
        ]
    )


def main() -> None:
    """Reads the one file and writes the other."""
    source, picture = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        lines = file.read().strip("\n").split("\n")
    # where it all happened differs from run to run
    lines = [line for line in lines if not line.startswith(("All in ", "an nsswitch.conf "))]
    with open(picture, "w", encoding="utf-8") as file:
        file.write(draw(["$ make demo", "", *lines]))


main()
