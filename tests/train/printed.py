"""Reads the tables of train.compare back from every format."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

from train.compare import formats, tables
from train.quoted import QUOTED

#: (table's title, section's heading, line's label) -> cells that are not empty
Cells = dict[tuple[str, str, str], list[str]]


class Rows(HTMLParser):
    """Cells of a page's tables."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Cells = {}
        self.title, self.section, self.heading, self.text = "", "", "", ""
        self.row: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag == "tr":
            self.row, self.section = [], self.section if dict(attributes).get("class") != "section" else ""
        if tag in ("th", "td", "h3", "small", "i"):
            self.heading = self.text.strip() if tag == "small" else ""
            self.text = "" if tag != "i" else self.text.strip() + ", "

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "h3":
            self.title = self.text
        if tag in ("small", "span") and not self.section:
            self.section = self.heading or self.text.strip()
        if tag in ("th", "td"):
            self.row.append(self.text)
        if tag == "tr" and len(self.row) > 1:
            add(self.found, self.title, self.section, self.row)


def add(found: Cells, title: str, section: str, row: list[str]) -> None:
    """Lines below a line are of that line."""
    label, cells = row[0].strip(), [cell.strip() for cell in row[1:] if cell.strip()]
    if not label:
        return
    if label in ("95 %", "95 % from", "to", "p"):
        label = f"{[key[2] for key in found if key[:2] == (title, section)][-1].split(' / ')[0]} / {label}"
    found[title, section, label] = [*found.pop((title, section, label), []), *cells]  # the last one, of whatever block


def from_html(text: str) -> Cells:
    rows = Rows()
    rows.feed(text)
    return rows.found


def from_markdown(text: str) -> Cells:
    found: Cells = {}
    title = section = ""
    for line in text.splitlines():
        if line.startswith("### "):
            title = unescaped(line[4:])
        elif line.startswith("| ") and "---" not in line:
            label, *cells = re.split(r"(?<!\\)\|", line[1:-1])
            if label.strip().startswith("*") and not any(map(str.strip, cells)):
                section = unescaped(label.strip().strip("*"))
                continue
            cells = [re.sub(r"(?<!\\)\*", "", cell) for cell in cells]
            add(
                found,
                title,
                section.split(" (person")[0].split(" (DAViD")[0],
                [unescaped(label).replace(" (quoted)", ", quoted"), *map(unescaped, cells)],
            )
    return found


def unescaped(text: str) -> str:
    return re.sub(r"\\([^A-Za-z0-9\s])", r"\1", text.strip())


def from_latex(text: str) -> Cells:
    found: Cells = {}
    title = section = ""
    for line in text.splitlines():
        if line.startswith(r"\caption{"):
            title = untexed(line[9:-1])
        elif line.startswith(r"\multicolumn"):
            section = untexed(re.findall(r"\\emph\{(.*?)\}(?: \\scriptsize.*\})?\} \\\\", line)[0])
        elif line.endswith(r"\\") and section:
            cells = [untexed(cell) for cell in re.split(r"(?<!\\) & ", line.removesuffix(r" \\"))]
            add(found, title, section, [cells[0].replace(" (quoted)", ", quoted"), *cells[1:]])
    return found


def untexed(text: str) -> str:
    text = re.sub(r"\\textbf\{(.*)\}", r"\1", re.sub(r"\\(itshape|scriptsize) ", "", text))
    for character, escaped in formats._TEX.items():
        text = text.replace(escaped, character) if character != "\\" else text
    return text.replace(r"\textbackslash\{\}", "\\").replace(r"\textbackslash{}", "\\").strip()


def from_terminal(text: str) -> Cells:
    found: Cells = {}
    title = section = ""
    headings = [*tables.AVERAGED.values(), *(f"quoted from {row.protocol.source}: another protocol, not measured here" for row in QUOTED)]
    for line in text.splitlines():
        if line.startswith("== "):
            title = line[3:-3]
        elif heading := next((heading for heading in headings if line.startswith(heading)), None):
            section = heading
        elif line.startswith("  ") and line.strip() and not line.startswith("        "):
            label, *cells = re.split(r"\s{2,}", line.strip())
            add(found, title, section, [label, *(cell.removesuffix("*") for cell in cells)])
    return found


PARSED: dict[str, Callable[[str], Cells]] = {"html": from_html, "md": from_markdown, "tex": from_latex, "terminal": from_terminal}
