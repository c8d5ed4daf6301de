"""The layouts that datasets of scans come in: one row each."""

from scans.layouts import customhumans, folder, renderpeople, sequences, thuman2, twok
from scans.layouts.base import Layout, Scan

__all__ = ["LAYOUTS", "Layout", "Scan"]

LAYOUTS: dict[str, Layout] = {
    "any": folder.LAYOUT,
    "thuman2": thuman2.LAYOUT,
    "renderpeople": renderpeople.LAYOUT,
    "2k2k": twok.LAYOUT,
    "customhumans": customhumans.LAYOUT,
    "4ddress": sequences.DRESS,
    "xhumans": sequences.HUMANS,
}
