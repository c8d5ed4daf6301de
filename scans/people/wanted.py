"""What a user asks of people: ranges and names that restrict what is drawn, checked before any work."""

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Any

from conf.command import UserError
from scans.people.garments import GARMENTS
from scans.people.poses import FAMILIES

Range = tuple[float, float]

#: Key -> the least and the most that can be asked for: years, share, Monk scale, metres.
RANGES: dict[str, Range] = {"age": (18, 90), "build": (0, 1), "tone": (1, 10), "stature_m": (1.40, 2.05)}
#: Key -> the names that can be asked for.
CHOICES: dict[str, tuple[str, ...]] = {
    "sex": ("female", "male"),
    "garments": GARMENTS,
    "pose": tuple(FAMILIES),
}


@dataclass(frozen=True)
class Wanted:
    """What people are drawn from; None: all there is. Ranges are inclusive; of garments and poses, any of the names will do."""

    age: Range | None = None
    build: Range | None = None
    tone: Range | None = None
    stature_m: Range | None = None
    sex: tuple[str, ...] | None = None
    garments: tuple[str, ...] | None = None
    pose: tuple[str, ...] | None = None

    @staticmethod
    def parse(given: dict[str, Any]) -> "Wanted":
        """From a command's keys: a number, a [least,most] pair, a name or a list of names; None: anything goes.

        Raises UserError naming the key, the value and the mend.
        """
        checked: dict[str, Any] = {key: _range(key, given[key]) for key in RANGES}
        checked |= {key: _names(key, given[key]) for key in CHOICES}
        return Wanted(**checked)

    def record(self) -> dict[str, list[Any]]:
        """What was asked for, for a JSON file."""
        return {key: list(value) for key, value in dataclasses.asdict(self).items() if value is not None}


def _range(key: str, value: Any) -> Range | None:
    if value is None:
        return None
    least, most = RANGES[key]
    pair = value if isinstance(value, list | tuple) else [value, value]
    numbers = [part for part in pair if isinstance(part, int | float) and not isinstance(part, bool)]
    if len(pair) != 2 or len(numbers) != 2:
        raise UserError(f"{key}={_shown(value)}: give a number or a range, such as '{key}=[{least:g},{most:g}]'")
    if key == "age" and any(number != int(number) for number in numbers):
        raise UserError(f"{key}={_shown(value)}: give whole years")
    if not least <= numbers[0] <= numbers[1] <= most:
        raise UserError(f"{key}={_shown(value)}: give numbers from {least:g} to {most:g}, the smaller one first")
    return float(numbers[0]), float(numbers[1])


def _names(key: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = [str(name) for name in (value if isinstance(value, list | tuple) else [value])]
    unknown = [name for name in names if name not in CHOICES[key]]
    if unknown or not names:
        close = difflib.get_close_matches(unknown[0], CHOICES[key], n=1) if unknown else []
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(f"{key}={_shown(value)}: {hint}give one or more of {', '.join(CHOICES[key])}")
    return tuple(sorted(set(names)))


def _shown(value: Any) -> str:
    """A value as it is written on the command line."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)
