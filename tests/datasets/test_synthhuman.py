"""SynthHuman's layout: read in its own files, wherever a folder of triplets is."""

from itertools import islice
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from datasets import reader, synthhuman
from datasets.module import TripletData
from datasets.source import SynthHuman, open_source
from datasets.triplet import Triplet
from tests.fixtures import sphere_triplet, write_synthhuman


@pytest.fixture(scope="module")
def spheres() -> list[Triplet]:
    rng = np.random.default_rng(0)
    return [sphere_triplet(f"{i:09d}", rng, 40, 30) for i in range(6)]


@pytest.fixture(scope="module")
def folder(spheres: list[Triplet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthhuman")
    write_synthhuman(path, spheres)
    return path


def test_units_axes_background_and_camera_are_ours_after_reading(folder: Path, spheres: list[Triplet]) -> None:
    for read, truth in zip(reader.evaluation(folder, 2), spheres, strict=True):
        np.testing.assert_array_equal(read.rgb, truth.rgb)
        np.testing.assert_array_equal(read.mask, truth.mask)
        np.testing.assert_array_equal(read.alpha, truth.alpha)
        np.testing.assert_allclose(read.depth, truth.depth, rtol=1e-6)
        np.testing.assert_array_equal(read.normal, truth.normal)
        np.testing.assert_allclose(read.K, truth.K)
        assert read.depth.dtype == np.float32 and read.normal.dtype == np.float16


def test_background_is_found_in_half_files_and_where_there_is_no_normal(tmp_path: Path, spheres: list[Triplet]) -> None:
    write_synthhuman(tmp_path, spheres[:1])
    depth = np.full((40, 30), 65504, np.float16)
    depth[10:20], depth[15], depth[16] = 150, np.inf, np.nan
    normal = np.zeros((40, 30), np.float16)
    OpenEXR.File({}, {"Y": depth}).write(str(tmp_path / "depth_0000000.exr"))
    OpenEXR.File({}, {"B": normal, "G": normal.copy(), "R": (normal + 1) * (np.arange(30) < 12)}).write(
        str(tmp_path / "normal_0000000.exr")
    )
    [read] = reader.evaluation(tmp_path, 1)
    expected = np.zeros((40, 30), bool)
    expected[[10, 11, 12, 13, 14, 17, 18, 19], :12] = True
    assert np.array_equal(read.mask, expected) and np.array_equal(np.unique(read.depth), np.float32([0, 1.5]))
    assert np.array_equal(read.normal[expected], np.broadcast_to([0, 0, 1], (96, 3))) and not read.normal[~expected].any()


def test_what_we_write_is_what_we_read(tmp_path: Path, spheres: list[Triplet]) -> None:
    for member, data in synthhuman.encode(spheres[3]).items():
        synthhuman.file(tmp_path, member, "0000003").write_bytes(data)
    [read] = reader.evaluation(tmp_path, 1)
    np.testing.assert_array_equal(read.normal, spheres[3].normal)
    np.testing.assert_allclose(read.depth, spheres[3].depth, rtol=1e-6)
    np.testing.assert_array_equal(read.K, spheres[3].K)


def test_it_is_dealt_shuffled_and_held_out_like_shards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SynthHuman, "PART", 4)
    source = open_source(folder)
    assert list(source.counts) == [4, 2]
    stream = reader.Training([source], 3, 0, [reader.places(source, None)], [1.0])
    dealt = [key for batch in islice(stream, 4) for key in batch["key"]]
    numbers = [f"{i:07d}" for i in range(6)]
    assert sorted(dealt[:6]) == sorted(dealt[6:]) == numbers != dealt[:6]
    train, held = reader.hold_out(reader.people_by_sample(folder), 0.3, seed=0)
    assert train | held == set(numbers) and len(held) == 2, "each sample is a person of its own"


def test_a_missing_member_is_named(tmp_path: Path, spheres: list[Triplet]) -> None:
    write_synthhuman(tmp_path, spheres)
    (tmp_path / "normal_0000002.exr").unlink()
    (tmp_path / "cam_0000004.txt").unlink()
    with pytest.raises(ValueError, match=r"lacks normal_0000002\.exr and 1 more file"):
        open_source(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path, spheres: list[Triplet]) -> None:
    write_synthhuman(tmp_path, spheres)
    path = tmp_path / "depth_0000001.exr"
    path.write_bytes(path.read_bytes()[:300])
    source = open_source(tmp_path)
    batch = next(iter(reader.Training([source], 6, 0, [reader.places(source, None)], [1.0])))
    assert len(batch["skipped"]) == 1 and "depth_0000001.exr cannot be read" in batch["skipped"][0]


def test_a_field_it_has_not_is_refused_before_anything_starts(folder: Path) -> None:
    data = TripletData(folder, (16, 12), 2, fields=(*reader.FIELDS, "albedo"))
    with pytest.raises(ValueError, match=r"has no albedo .* another dataset"):
        data.setup("fit")
