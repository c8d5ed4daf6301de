"""Reads other people's pickles without running what is in them: numbers, texts, containers and numpy arrays, nothing else.

A pickle names functions and calls them. Only the few below are found here, so a file can build arrays and no more.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.core import multiarray, numeric

from scans.mesh import Refused


def _latin1(text: str, encoding: str) -> bytes:
    """How pickles of protocol 2 spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encodes bytes as {encoding!r}")
    return text.encode("latin1")


def _dtype(kind: str, *flags: Any) -> np.dtype[Any]:
    """Numbers and texts; no pointers, which a file could forge."""
    if not re.fullmatch(r"[<>=|]?[?biufcSU]\d*", str(kind)):
        raise pickle.UnpicklingError(f"holds an array of {kind!r}")
    return np.dtype(kind, *flags)


#: (module, name) -> what it stands for here. numpy 2 writes `numpy._core` for `numpy.core`.
ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): vars(multiarray)["_reconstruct"] for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): vars(multiarray)["scalar"] for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): vars(numeric)["_frombuffer"] for core in ("core", "_core")},
    ("_codecs", "encode"): _latin1,
    ("trimesh.caching", "TrackedArray"): np.ndarray,  # an array that notices changes
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Only what is admitted."""
        if (module, name) in ADMITTED:
            return ADMITTED[module, name]
        mend = "save it again as numpy arrays (`tensor.cpu().numpy()`)" if module.split(".")[0] == "torch" else "get the original file"
        raise pickle.UnpicklingError(f"names {module}.{name}, which is no array and is not run: {mend}")


def load(path: Path) -> Any:
    """What a pickle holds. Raises Refused, naming the file, when it holds more than data or cannot be read."""
    try:
        with open(path, "rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except Exception as error:
        raise Refused(f"{path} {_fault(error)}") from error


def _fault(error: Exception) -> str:
    """In words, why a pickle was not read: our own unpickler's, or that of a file that is none (which may raise anything)."""
    text = " ".join(str(error).split())
    return text if "is not run" in text else f"cannot be read ({type(error).__name__}: {text[:120]}): copy it again"


def record(path: Path, *keys: str) -> dict[str, Any]:
    """A pickled dictionary that has these keys. Raises Refused, naming the file and what it lacks."""
    values = load(path)
    if not isinstance(values, dict):
        raise Refused(f"{path} holds a {type(values).__name__}, not a dictionary: get the original file")
    if lacking := [key for key in keys if key not in values]:
        raise Refused(f"{path} lacks {', '.join(lacking)} (it has {', '.join(map(str, values))}): get the original file")
    return values
