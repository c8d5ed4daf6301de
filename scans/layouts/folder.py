"""Any folder of meshes: one scan per file; its subject is the first folder under the source that holds it, else its stem.

Which folder that is, only the source knows: `scans.ingest` names both.
"""

from pathlib import Path

from scans.layouts.base import Layout, Scan
from scans.reading import SUFFIXES


def find(files: list[Path], every: int) -> list[Scan]:
    """Every mesh; nothing is stated."""
    return [Scan(file, None, "") for file in files]


LAYOUT = Layout(find, f"mesh ({', '.join(SUFFIXES)}); FBX and others: export them as GLB from Blender first", SUFFIXES)
