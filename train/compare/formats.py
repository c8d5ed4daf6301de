"""Tables as terminal text, Markdown, LaTeX (booktabs) and HTML."""

import html
import textwrap
from collections.abc import Iterator, Sequence

from train.compare.tables import Line, Table

#: Columns of a terminal.
WIDTH = 140
LABEL = 44
QUOTED = "quoted"

_TEX = {
    "\\": r"\textbackslash{}",
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "–": "--",
    "−": "$-$",
    "°": r"\textdegree{}",
    "-": "{-}",  # two are no dash
    "[": "{[}",  # no option of the line break before it
    "*": "{*}",
}


def terminal(table: Table) -> str:
    """Plain text, at most `WIDTH` wide: columns that do not fit go into a further block."""
    return "\n".join([*textwrap.wrap(f"== {table.title} ==", WIDTH), *textwrap.wrap(table.caption, WIDTH), *_blocks(table)])


def _blocks(table: Table) -> Iterator[str]:
    lines = [line for section in table.sections for line in section.lines]
    widths = [max(len(head), *(len(_marked(line, i)) for line in lines)) + 2 for i, head in enumerate(table.heads)]
    label = max(len(_named(line)) for line in lines)
    start = 0
    while start < len(widths):
        stop = start + 1
        while stop < len(widths) and label + sum(widths[start : stop + 1]) <= WIDTH:
            stop += 1
        columns = range(start, stop)
        yield from ("", " " * label + "".join(table.heads[i].rjust(widths[i]) for i in columns))
        for section in table.sections:
            here = [line for line in section.lines if any(line.cells[i] for i in columns)]
            yield from textwrap.wrap(section.heading + (f" ({section.words})" if section.words else ""), WIDTH) if here else ()
            yield from ((_named(line).ljust(label) + "".join(_marked(line, i).rjust(widths[i]) for i in columns)).rstrip() for line in here)
        start = stop


def _named(line: Line) -> str:
    name = f"{line.label}, {QUOTED}" if line.quoted else line.label
    return ("    " if line.minor else "  ") + (name if len(name) <= LABEL else f"{name[: LABEL // 2]}…{name[-LABEL // 2 :]}")


def _marked(line: Line, column: int) -> str:
    return line.cells[column] + "*" * (column in line.marked)


def markdown(table: Table) -> str:
    """A heading and one table; sections are lines of their own."""
    lines = [f"### {_plain(table.title)}", "", _plain(table.caption), ""] if table.caption else [f"### {_plain(table.title)}", ""]
    lines += [_piped(["", *map(_plain, table.heads)]), _piped(["---", *["---:"] * len(table.heads)])]
    for section in table.sections:
        words = f" ({section.words})" if section.words else ""
        lines.append(_piped([f"*{_plain(section.heading + words)}*", *[""] * len(table.heads)]))
        for line in section.lines:
            cells = [f"**{_plain(cell)}**" if i in line.marked else _plain(cell) for i, cell in enumerate(line.cells)]
            name = _plain(line.label) + f" ({QUOTED})" * line.quoted
            lines.append(_piped([name, *(f"*{cell}*" if line.quoted and cell else cell for cell in cells)]))
    return "\n".join([*lines, ""])


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    for character in "\\`*_~[]|<>&#":
        text = text.replace(character, f"\\{character}")
    return text


def latex(table: Table) -> str:
    r"""A table environment that needs \usepackage{booktabs} and graphicx; as wide as the text at most."""
    columns = len(table.heads) + 1
    rows = [" & ".join(["", *map(_tex, table.heads)]) + r" \\"]
    for section in table.sections:
        heading = rf"\emph{{{_tex(section.heading)}}}"
        if section.words:
            heading = rf"\parbox{{0.95\textwidth}}{{{heading} \scriptsize({_tex(section.words)})}}"
        rows += [r"\midrule", rf"\multicolumn{{{columns}}}{{l}}{{{heading}}} \\", *map(_tex_row, section.lines)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(table.title + (f'; {table.caption}' if table.caption else ''))}}}",
            rf"\label{{tab:{table.name}}}",
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * len(table.heads)}}}",
            r"\toprule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _tex_row(line: Line) -> str:
    style = r"\itshape " if line.quoted else r"\scriptsize " if line.minor else ""
    cells = [rf"\textbf{{{_tex(cell)}}}" if i in line.marked else _tex(cell) for i, cell in enumerate(line.cells)]
    name = _tex(line.label) + f" ({QUOTED})" * line.quoted
    return " & ".join(f"{style}{cell}" if cell else "" for cell in (name, *cells)) + r" \\"


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)


def page(table: Table) -> str:
    """An HTML table in a box that scrolls, for `page.html`'s styles."""
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in table.heads)
    body = []
    for section in table.sections:
        words = f" <small>{html.escape(section.words)}</small>" if section.words else ""
        heading = f'<tr class="section"><th colspan="{len(table.heads) + 1}"><span>{html.escape(section.heading)}{words}</span></th></tr>'
        body.append(f"<tbody>{heading}{''.join(map(_html_row, section.lines))}</tbody>")
    caption = f'<p class="caption">{html.escape(table.caption)}</p>' if table.caption else ""
    rows = f'<table id="{html.escape(table.name)}"><thead><tr><th></th>{heads}</tr></thead>{"".join(body)}</table>'
    return f'<h3>{html.escape(table.title)}</h3>{caption}<div class="scroll">{rows}</div>'


def _html_row(line: Line) -> str:
    kind = "quoted" if line.quoted else "minor" if line.minor else "measured"
    best = ' class="best"'
    cells = (f"<td{best if i in line.marked else ''}>{html.escape(cell)}</td>" for i, cell in enumerate(line.cells))
    mark = f' <i class="mark">{QUOTED}</i>' if line.quoted else ""
    return f'<tr class="{kind}"><th>{html.escape(line.label)}{mark}</th>{"".join(cells)}</tr>'
