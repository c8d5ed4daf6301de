"""What every layout tells: which scans a folder holds, and what the dataset itself knows of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scans import reading
from scans.canonical import Options
from scans.mesh import Mesh


@dataclass(frozen=True)
class Scan:
    """One scan of a source.

    file: its mesh; id: its name in the catalogue, None for one made of its path; subject: whose scan it is; options: gives what
    the dataset states of its frame, or raises Refused; split: the dataset's own, where it keeps people apart; published: its
    own split of frames or scans, which is only recorded; issues: what a user should know; extra: files besides the mesh's own
    that it was made from; read: opens `file`.
    """

    file: Path
    id: str | None
    subject: str
    options: Callable[[], Options] = Options
    split: str | None = None
    published: str | None = None
    issues: tuple[str, ...] = ()
    extra: tuple[Path, ...] = ()
    read: Callable[[Path], Mesh] = reading.read


@dataclass(frozen=True)
class Layout:
    """How a dataset lies on disk.

    find: (the files under a source, every) -> its scans; of a sequence, every n-th frame. looks_for: in words; suffixes: of the
    files that it is given; licence: recorded where the user states none.
    """

    find: Callable[[list[Path], int], list[Scan]]
    looks_for: str
    suffixes: tuple[str, ...]
    licence: str = "unknown"
