"""Figures of other people's papers, for the same data. Never measured here, by a protocol that was never released: tables mark them.

Figures are text, with the digits of the source, in the unit in which ours are shown (parts of pixels in per cent).
"""

from dataclasses import dataclass

from train.tasks import TASKS


@dataclass(frozen=True)
class Protocol:
    """What is known of how figures were measured; figures of different protocols are never put into one list."""

    source: str
    words: str


@dataclass(frozen=True)
class Quoted:
    """One method's figures for one task of one benchmark."""

    benchmark: str
    task: str
    protocol: Protocol
    method: str
    figures: dict[str, str]

    def values(self) -> dict[str, float]:
        """The figures as numbers, in the unit of `train.metrics`."""
        return {name: float(text) / TASKS[self.task].measure.figures[name].factor for name, text in self.figures.items()}


_SAPIENS = "Sapiens, arXiv:2408.12569"
#: Issues are those of github.com/facebookresearch/sapiens.
_SUBSET = "person pixels, full frame; 1,195 of some 1,500 images of pairs 28, 32, 37 (issue 194), rendered by virtual cameras (issue 215)"
_HI4D_DEPTH = Protocol(_SAPIENS, f"{_SUBSET}; a scale and a shift fitted per image, whether by least squares or median is not said")
_HI4D_NORMAL = Protocol(_SAPIENS, f"{_SUBSET}; whether the average is of images or of pixels is not said")
_THUMAN2_NORMAL = Protocol(
    _SAPIENS,
    "person pixels, full frame, 526 scans as face, upper half and full body; whether the average is of images or of pixels is not said",
)
_HI4D_DAVID = Protocol("DAViD, arXiv:2507.15365", "DAViD's own protocol on Hi4D, not Sapiens': its figures compare with each other only")


def _rows(benchmark: str, task: str, protocol: Protocol, figures: str, table: str) -> tuple[Quoted, ...]:
    """One line per method: its name, then the figures; a dash where the source gives none."""
    names, found = figures.split(), []
    for line in table.strip().splitlines():
        method, *values = line.split()
        given = {name: value for name, value in zip(names, values, strict=True) if value != "-"}
        found.append(Quoted(benchmark, task, protocol, method, given))
    return tuple(found)


QUOTED = (
    *_rows(
        "hi4d",
        "depth",
        _HI4D_DEPTH,
        "rmse absrel delta1",
        """
        MiDaS-L         0.261 0.082 97.5
        DepthAnything-L 0.147 0.035 99.7
        Sapiens-0.3B    0.148 0.046 100
        Sapiens-1B      0.125 0.039 100
        Sapiens-2B      0.114 0.036 100
        """,
    ),
    *_rows(
        "hi4d",
        "depth",
        _HI4D_DAVID,
        "rmse absrel",
        """
        DAViD-L    0.072 0.019
        Sapiens-2B 0.095 -
        """,
    ),
    *_rows(
        "hi4d",
        "normal",
        _HI4D_NORMAL,
        "mean median within_11.25 within_22.5 within_30",
        """
        ECON         18.46 16.47 29.4 68.1 84.9
        Sapiens-0.3B 15.04 12.22 47.1 81.5 90.7
        Sapiens-1B   12.18  9.59 60.4 88.6 94.4
        Sapiens-2B   12.14  9.62 60.2 89.1 94.7
        """,
    ),
    *_rows(
        "thuman2",
        "normal",
        _THUMAN2_NORMAL,
        "mean",
        """
        ECON       25.45
        Sapiens-2B 11.84
        """,
    ),
)


def quoted(benchmark: str | None, task: str) -> dict[Protocol, list[Quoted]]:
    """What was published for a task of a benchmark, by protocol; nothing for data without a name."""
    found: dict[Protocol, list[Quoted]] = {}
    for row in QUOTED:
        if (row.benchmark, row.task) == (benchmark, task):
            found.setdefault(row.protocol, []).append(row)
    return found
