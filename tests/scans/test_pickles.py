"""Pickles from strangers: arrays come in, nothing is run, and what is refused is named with its file."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from trimesh.caching import tracked_array

from scans import pickles
from scans.mesh import Refused


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_scalars_and_tracked_arrays_come_in(tmp_path: Path, protocol: int) -> None:
    values = {
        "plain": np.arange(6.0).reshape(2, 3)[:, ::-1],
        "columns": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        "tracked": tracked_array(np.arange(3.0)),
        "scalar": np.float32(0.25),
        "list": [1, 2.5, "three", None, True, (4,)],
    }
    path = tmp_path / "fit.pkl"
    path.write_bytes(pickle.dumps(values, protocol=protocol))
    read = pickles.load(path)
    assert read.keys() == values.keys() and read["list"] == values["list"] and read["scalar"] == values["scalar"]
    for name in ("plain", "columns", "tracked"):
        assert type(read[name]) is np.ndarray and read[name].dtype == values[name].dtype and np.array_equal(read[name], values[name])


def test_arrays_of_numpy_2_come_in(tmp_path: Path) -> None:
    data = pickle.dumps(np.arange(3.0), protocol=2)
    assert b"numpy.core.multiarray" in data
    (tmp_path / "fit.pkl").write_bytes(data.replace(b"numpy.core.multiarray", b"numpy._core.multiarray"))
    assert np.array_equal(pickles.load(tmp_path / "fit.pkl"), np.arange(3.0))


class _Runs:
    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple:
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.system, eval, getattr, np.save, np.fromfile], ids=lambda function: function.__name__)
def test_nothing_is_run(tmp_path: Path, protocol: int, function: object) -> None:
    arguments = {
        os.system: (f"touch {tmp_path / 'harm'}",),
        eval: (f"open({str(tmp_path / 'harm')!r}, 'w')",),
        getattr: ("text", "upper"),
        np.save: (str(tmp_path / "harm"), np.zeros(1)),
        np.fromfile: ("/etc/hostname",),
    }[function]  # type: ignore[index]
    path = tmp_path / "fit.pkl"
    path.write_bytes(pickle.dumps({"scale": _Runs(function, *arguments)}, protocol=protocol))
    with pytest.raises(Refused, match=rf"fit\.pkl names [\w.]*{function.__name__}, which is no array and is not run"):  # type: ignore[attr-defined]
        pickles.load(path)
    assert not list(tmp_path.glob("harm*"))
    pickle.loads(path.read_bytes())  # the same file, read freely, does what it says
    if function in (os.system, eval, np.save):
        assert list(tmp_path.glob("harm*"))


def test_tensors_are_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "fit.pkl"
    path.write_bytes(pickle.dumps({"scale": torch.ones(1)}))
    with pytest.raises(Refused, match=r"fit\.pkl names torch\._utils\S+, .*save it again as numpy arrays"):
        pickles.load(path)


def test_arrays_of_pointers_are_refused(tmp_path: Path) -> None:
    for array in (np.array([1, None]), np.zeros(2, [("a", "O")])):
        (tmp_path / "fit.pkl").write_bytes(pickle.dumps(array))
        with pytest.raises(Refused, match=r"fit\.pkl cannot be read .*holds an array of"):
            pickles.load(tmp_path / "fit.pkl")


@pytest.mark.parametrize("data", [b"", b"no pickle at all", pickle.dumps(np.zeros(9))[:-20]])
def test_files_that_are_no_whole_pickles_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "fit.pkl").write_bytes(data)
    with pytest.raises(Refused, match=r"fit\.pkl cannot be read"):
        pickles.load(tmp_path / "fit.pkl")


def test_a_record_lacking_keys_is_named(tmp_path: Path) -> None:
    (tmp_path / "mesh.pkl").write_bytes(pickle.dumps({"vertices": 1, "face": 2}))
    with pytest.raises(Refused, match=r"mesh\.pkl lacks faces, uvs \(it has vertices, face\)"):
        pickles.record(tmp_path / "mesh.pkl", "vertices", "faces", "uvs")
    (tmp_path / "mesh.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(Refused, match="holds a list, not a dictionary"):
        pickles.record(tmp_path / "mesh.pkl", "vertices")
