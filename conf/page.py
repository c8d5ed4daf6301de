"""The house's HTML pages. Each is one file that needs no network; what all of them share is in `page.html`."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

SHELL = Path(__file__).with_name("page.html")


def page(template: Path, title: str, facts: Mapping[str, str], notices: Sequence[str] = (), **parts: str) -> str:
    """A page: title, facts (name -> value) and notices, plain text; then the template: a style, and a body with $parts, which are HTML."""
    style, body = Template(template.read_text()).substitute(parts).removeprefix("<style>").split("</style>", 1)
    return Template(SHELL.read_text()).substitute(
        title=html.escape(title),
        facts="".join(f"<div><b>{html.escape(value)}</b>{html.escape(name)}</div>" for name, value in facts.items()),
        notices="\n".join(f'<p class="notice">{html.escape(notice)}</p>' for notice in notices),
        style=style.strip(),
        body=body.strip(),
    )
