"""Files of weights, opened without running what is in them."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, hf_hub_download
from safetensors.torch import load_file
from torch import Tensor

from conf.command import UserError

#: Tensors by name.
Weights = dict[str, Tensor]

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
#: How torch.save began its files before they were zip archives.
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


class _Ignored:
    """Stands for what mmengine stores beside the weights (logs, as numpy arrays): it takes anything and does nothing."""

    def __new__(cls, *_: Any) -> "_Ignored":
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


_NUMPY = ("core.multiarray._reconstruct", "core.multiarray.scalar", "_core.multiarray._reconstruct", "_core.multiarray.scalar")
_HARMLESS: list[Any] = [
    (_Ignored, name)
    for name in (
        "mmengine.logging.history_buffer.HistoryBuffer",
        "builtins.getattr",
        "__builtin__.getattr",
        "numpy.ndarray",
        "numpy.dtype",
        *(f"numpy.{name}" for name in _NUMPY),
        *(f"numpy.dtypes.{kind}DType" for kind in ("Float32", "Float64", "Int32", "Int64")),
    )
]


def read(path: Path, what: str) -> dict[str, Any]:
    """All that a .safetensors file or one of torch.save holds, on the CPU; tensors and plain values, never code.

    what: the key and value that name the file, for messages. Raises UserError.
    """
    if not path.is_file():
        raise UserError(f"{what} does not exist: give a file of weights")
    with path.open("rb") as file:
        legacy = file.read(len(LEGACY)) == LEGACY
    if path.suffix != ".safetensors" and not zipfile.is_zipfile(path) and not legacy:
        raise UserError(f"{what} is no file of torch.save, or not all of it (a web page? cut short?): download it again")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings(action="ignore"):  # of TorchScript, refused below
            stored = torch.load(path, map_location="cpu", weights_only=True, mmap=not legacy)
    except pickle.UnpicklingError as error:
        raise UserError(f"{what} holds more than tensors ({_line(error)}), and is not opened: give a file of weights alone") from error
    except Exception as error:  # damaged bytes make these readers raise anything
        reason = "TorchScript or torch.export" if path.suffix == ".pt2" or "TorchScript" in str(error) else _line(error)
        raise UserError(f"{what} is no file of weights ({reason}): give the .pth or .safetensors, whole") from error
    if not isinstance(stored, dict):
        raise UserError(f"{what} holds a {type(stored).__name__}, not weights by name: give a state_dict")
    return stored


def _line(error: Exception) -> str:
    """What went wrong, in a line: the part of torch's long texts that says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "Unsupported" in line or "unrecognized" in line), lines[0] if lines else type(error).__name__)
    return told.split("Please use")[0].strip().removeprefix("WeightsUnpickler error: ")[:160]


def weights(stored: dict[str, Any], what: str) -> Weights:
    """The tensors of a file, out of the dictionaries and prefixes that trainers wrap them in. Raises UserError when there is none."""
    for wrapper in ("state_dict", "model", "teacher"):
        if isinstance(stored.get(wrapper), dict):
            stored = stored[wrapper]
    tensors = {name: value for name, value in stored.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(f"{what} holds no tensors by name: give a state_dict")
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def split(tensors: Weights) -> tuple[Weights, Weights]:
    """The backbone's tensors without their prefix, and the rest; all are the backbone's where none bears the prefix."""
    if not any(name.startswith("backbone.") for name in tensors):
        return tensors, {}
    inside = {name.removeprefix("backbone."): value for name, value in tensors.items() if name.startswith("backbone.")}
    return inside, {name: value for name, value in tensors.items() if not name.startswith("backbone.")}


def listed(names: Any, most: int = 3) -> str:
    """The first few names and how many there are."""
    ordered = sorted(names)
    return ", ".join(ordered[:most]) + (f", ... ({len(ordered)} in all)" if len(ordered) > most else "")


def only(folder: Path) -> Path | None:
    """The one file of weights in a folder; None when there is none, or several."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES] if folder.is_dir() else []
    return found[0] if len(found) == 1 else None


def fetch(name: str, what: str) -> Path:
    """The one file of weights of a repository on the Hugging Face hub, as Meta's of Sapiens are. Raises UserError."""
    try:
        found = [file for file in HfApi().list_repo_files(name) if Path(file).suffix in SUFFIXES]
        if len(found) == 1:
            return Path(hf_hub_download(name, found[0]))
    except Exception as error:  # of the network's own kinds, by the dozen
        raise UserError(f"{what} cannot be fetched from the Hugging Face hub ({_line(error)}): give a file or a folder") from error
    raise UserError(f"{what} holds {len(found)} files of weights ({listed(found)}): download one, and give its path")
