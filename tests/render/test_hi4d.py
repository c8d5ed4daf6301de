"""Hi4D's road from files to triplets, on photographs through a true lens and a pinhole."""

import csv
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from conf.command import UserError
from datasets.conventions import camera_rays
from datasets.triplet import Dataset, Triplet, read_shard
from render.checks import whole
from render.hi4d.__main__ import Hi4DConfig
from render.hi4d.frames import Eye, measure
from render.hi4d.layout import JOINTS, Camera, Moment, Unusable, find
from render.hi4d.photograph import Lens, offset, overlap, read
from render.hi4d.run import STANDARD
from render.verify import check_shard, planned_keys
from tests.layouts import hi4d
from tests.oracle import Oracle, degrees

UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # Hi4D's +Y up to +Z up, written out
KEYS = ("pairs=[28,32]", "cameras=[4,16]", "workers=1")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, hi4d.Truth]]:
    """Two pairs: the photographs of 28 still have the lens's distortion, those of 32 have not."""
    folder = tmp_path_factory.mktemp("hi4d")
    bent = hi4d.write(folder, 28, "dance28", (12, 13), distorted=True, spelling="intirnsics")
    straight = hi4d.write(folder, 32, "hug32", (7,), distorted=False, spelling="intrinsics")
    return folder, {"pair28/dance28": bent, "pair32/hug32": straight}


def run(source: Path, out: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "render.hi4d", f"source={source}", f"out={out}", *KEYS, *keys]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(source: tuple[Path, dict[str, hi4d.Truth]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[Triplet]]:
    """The dataset, what the command said, and the samples."""
    out = tmp_path_factory.mktemp("made") / "set"
    done = run(source[0], out)
    assert done.returncode == 0, done.stderr
    return out, done.stdout, [t for path in Dataset.load(out).paths(out) for t in read_shard(path)]


def rows(out: Path) -> list[dict[str, str]]:
    with open(out / "overlap.csv") as file:
        return list(csv.DictReader(file))


def test_the_masks_tell_which_photographs_are_distorted(made: tuple[Path, str, list[Triplet]]) -> None:
    out, said, triplets = made
    assert [t.meta["undistorted"] for t in triplets] == [True] * 4 + [False] * 2
    assert said.count("photographs are undistorted") == 2 and said.count("photographs are taken as they are") == 2
    found = rows(out)
    assert [row["key"] for row in found] == [t.key for t in triplets] == [f"{i:09d}" for i in range(6)]
    assert all(float(row["overlap"]) > 0.98 and row["used"] == "True" for row in found)
    assert all(float(row["overlap"]) > 0.9995 and abs(float(row["offset_x"])) < 0.02 for row in found[4:])


def test_labels_are_those_of_ray_casting(made: tuple[Path, str, list[Triplet]], source: tuple[Path, dict[str, hi4d.Truth]]) -> None:
    for triplet in made[2]:
        truth = source[1][triplet.meta["sequence"]]
        K, extrinsics, _ = truth.cameras[triplet.meta["camera"]]
        vertices = truth.vertices[triplet.meta["frame"]] @ UP[:3, :3].T
        pose = np.vstack([extrinsics, [0, 0, 0, 1]]) @ np.linalg.inv(UP)
        half = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])  # OpenCV has the first pixel's centre at (0, 0), the house at a half
        depth, normal, mask = Oracle.of(vertices, truth.faces).cast(K + half, pose, hi4d.HEIGHT, hi4d.WIDTH)
        assert np.allclose(triplet.K, K + half) and np.allclose(triplet.meta["world_to_camera"], pose, atol=1e-6)
        both = mask & (triplet.mask > 0)
        assert both.sum() > 5000 and np.sum(mask != (triplet.mask > 0)) < 2e-3 * mask.sum()
        off = np.abs(triplet.depth - depth)[both] / depth[both]
        assert np.median(off) < 2e-6 and np.mean(off > 1e-4) < 3e-3  # the file's vertices are rounded to micrometres
        assert np.median(degrees(triplet.normal.astype(float), normal)[both]) < 0.05


def test_people_have_their_ids_names_and_joints(made: tuple[Path, str, list[Triplet]], source: tuple[Path, dict[str, hi4d.Truth]]) -> None:
    for triplet in made[2]:
        sequence = triplet.meta["sequence"]
        pair = sequence.split("/")[0]
        assert [s["subject"] for s in triplet.meta["subjects"]] == [f"{pair}-0", f"{pair}-1"]
        assert {s["scan"] for s in triplet.meta["subjects"]} == {f"hi4d/{sequence}"}
        points = camera_rays(triplet.K, *triplet.mask.shape) * triplet.depth[..., None]
        world = np.linalg.inv(triplet.meta["world_to_camera"])
        for number, subject in enumerate(triplet.meta["subjects"], 1):
            own = points[triplet.mask == number] @ world[:3, :3].T + world[:3, 3]
            joints = source[1][sequence].joints[triplet.meta["frame"]][number - 1] @ UP[:3, :3].T
            assert np.allclose(subject["joints"]["left_wrist"], joints[20]) and subject["joints"].keys() == JOINTS.keys()
            bones = np.stack([joints[list(ends)] for ends in hi4d.BONES])
            ahead = bones[:, 1] - bones[:, 0]
            along = np.clip(np.einsum("pbk,bk->pb", own[:, None] - bones[None, :, 0], ahead) / np.maximum((ahead**2).sum(1), 1e-9), 0, 1)
            beside = np.linalg.norm(own[:, None] - bones[None, :, 0] - along[..., None] * ahead, axis=2) - list(hi4d.BONES.values())
            assert np.abs(beside.min(axis=1)).max() < 0.01  # each pixel's point lies on its own person's capsules


def test_a_set_says_whether_it_is_the_benchmarks(made: tuple[Path, str, list[Triplet]]) -> None:
    assert Dataset.load(made[0]).benchmark == {"name": "hi4d", "version": 1, "standard": False}, "other pairs and cameras"
    assert {name: getattr(Hi4DConfig("", ""), name) for name in STANDARD} == STANDARD, "the command's defaults make the benchmark's set"


def test_an_undistorted_photograph_is_that_of_the_pinhole(
    made: tuple[Path, str, list[Triplet]], source: tuple[Path, dict[str, hi4d.Truth]]
) -> None:
    triplet = made[2][0]
    truth = source[1]["pair28/dance28"]
    mesh = Oracle.of(truth.vertices[12], truth.faces)
    pinhole, _ = hi4d.photograph(truth, 12, 4, False, mesh.caster)
    as_it_is = read(source[0] / "pair28/dance28/images/4/000012.jpg", "RGB")
    smooth = lambda rgb: cv2.blur(rgb.astype(np.float32), (7, 7))  # what resampling does to edges is not asked here
    off, before = (np.abs(smooth(rgb) - smooth(pinhole)).mean() for rgb in (triplet.rgb, as_it_is))
    assert (triplet.rgb > 0).any(axis=-1).mean() > 0.95 and off < 1.0 and off < before / 3


def test_a_lens_is_undone_at_every_pixel() -> None:
    """Its map, read where the pinhole sees what the lens shows at a pixel, gives that pixel."""
    K, _, distortion = hi4d._scene((12,)).cameras[16]
    camera = Camera(16, K + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]), np.eye(4), distortion)
    pinhole = (hi4d.rays(K, distortion) @ K.T).astype(np.float32)
    maps = Lens(camera, hi4d.HEIGHT, hi4d.WIDTH).maps
    back = [cv2.remap(values, pinhole[..., 0], pinhole[..., 1], cv2.INTER_LINEAR, borderValue=np.nan) for values in maps]
    y, x = np.mgrid[0 : hi4d.HEIGHT, 0 : hi4d.WIDTH]
    known = np.isfinite(back[0]) & np.isfinite(back[1])
    assert known.mean() > 0.5
    assert max(np.abs(back[0] - x)[known].max(), np.abs(back[1] - y)[known].max()) < 0.02  # remap's own steps are 1/32


def test_the_same_command_again_does_nothing_and_makes_what_is_missing(
    made: tuple[Path, str, list[Triplet]], source: tuple[Path, dict[str, hi4d.Truth]]
) -> None:
    out = made[0]
    shard = out / "shards" / "shard-000000.tar"
    before, list_before = shard.read_bytes(), (out / "dataset.json").read_bytes()
    shard.unlink()
    again = run(source[0], out)
    assert again.returncode == 0 and shard.read_bytes() == before and (out / "dataset.json").read_bytes() == list_before
    assert "undistort=auto:" not in again.stderr  # what was found is not looked for again
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    third = run(source[0], out)
    assert third.returncode == 0 and "6 samples of 6 frames" in third.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == stamps


def test_another_configuration_is_refused(made: tuple[Path, str, list[Triplet]], source: tuple[Path, dict[str, hi4d.Truth]]) -> None:
    refused = run(source[0], made[0], "undistort=True")
    assert refused.returncode == 2 and "undistort: auto there, true now" in refused.stderr and "Traceback" not in refused.stderr


def test_verify_finds_nothing_wrong_and_finds_what_is(made: tuple[Path, str, list[Triplet]]) -> None:
    dataset = Dataset.load(made[0])
    ((name, entry),) = dataset.shards.items()
    assert planned_keys(dataset) == {name: [t.key for t in made[2]]}
    assert check_shard(made[0] / "shards" / name, entry, planned_keys(dataset)[name]) == []
    triplet = made[2][0]
    assert whole(triplet) is None
    assert "exactly on the mask" in str(whole(replace(triplet, depth=triplet.depth * (triplet.mask < 2))))
    assert whole(replace(triplet, mask=triplet.mask * np.uint8(0))) == "nobody is in the frame"


def test_what_cannot_be_used_is_named_counted_and_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    hi4d.write(folder, 28, "dance28", (1, 2, 3, 4, 5, 6, 7), cameras=(4,), distorted=False)
    home = folder / "pair28" / "dance28"
    seg = home / "seg" / "img_seg_mask" / "4"
    photo = home / "images" / "4" / "000001.jpg"
    photo.write_bytes(photo.read_bytes()[:3000])
    PIL.Image.new("L", (hi4d.WIDTH, hi4d.HEIGHT)).save(seg / "all" / "000002.png")
    (seg / "all" / "000003.png").unlink()
    (home / "images" / "4" / "000004.jpg").unlink()
    (home / "frames" / "mesh-f00005.obj").unlink()
    shutil.copy(home / "images" / "4" / "000007.jpg", home / "images" / "4" / "000006.jpg")
    for whose in ("0", "1", "all"):
        shifted = np.roll(np.array(PIL.Image.open(seg / whose / "000006.png")), 15, axis=1)
        PIL.Image.fromarray(shifted).save(seg / whose / "000006.png")

    done = run(folder, tmp_path / "out", "pairs=[28]", "cameras=[4]")

    assert done.returncode == 0, done.stderr
    for line in (
        "2 no frame, for lack of its other half:",
        "camera 4: mesh without an image: 000004",
        "camera 4: image without a mesh: 000005",
        "4 left out:",
        "frame 000001: 4/000001.jpg cannot be read (image file is truncated",
        "frame 000002: its mask is empty (overlap 0.000)",
        "frame 000003: no mask: all/000003.png is missing",
        "frame 000006: overlap is below 0.9 (overlap 0.",
        "1 samples of 5 frames",
    ):
        assert line in done.stdout, done.stdout
    dataset = Dataset.load(tmp_path / "out")
    (entry,) = dataset.shards.values()
    assert sorted(entry["given_up"]) == ["0", "1", "2", "3"] and sum(entry["rejections"].values()) == 4
    assert check_shard(next((tmp_path / "out" / "shards").glob("*.tar")), entry, planned_keys(dataset)["shard-000000.tar"]) == []
    assert [row["used"] for row in rows(tmp_path / "out")] == ["False"] * 4 + ["True"]
    kept, _ = find(folder, [28], [4], 0.0)
    eye = Eye()
    assert measure(kept[3], eye.look(kept[3], False), "3", False, 0.9, keep=True).used
    with pytest.raises(Unusable, match="truncated"):
        eye.look(kept[0], False)


def test_without_the_meshs_segmentation_the_nearest_body_tells_whose_a_face_is(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    truth = hi4d.write(folder, 28, "dance28", (3,), cameras=(4,), distorted=False)
    (frame,), _ = find(folder, [28], [4], 0.0)
    ids, told = Moment(frame).ids()
    assert told == "mesh_seg_mask" and np.array_equal(ids, truth.whose + 1)
    (folder / "pair28/dance28/seg/mesh_seg_mask/mesh-f00003.npz").unlink()
    ids, told = Moment(frame).ids()
    assert told == "smpl" and np.mean(ids != truth.whose + 1) < 0.03
    (folder / "pair28/dance28/smpl/000003.npz").unlink()
    with pytest.raises(Unusable, match="neither"):
        Moment(frame).ids()
    assert Moment(frame).joints(0) == {}


def test_a_pair_may_lie_in_several_folders(source: tuple[Path, dict[str, hi4d.Truth]], tmp_path: Path) -> None:
    for name, action in {"pair28": "dance28", "pair28_1": "talk28"}.items():
        shutil.copytree(source[0] / "pair28" / "dance28", tmp_path / name / action)
    (tmp_path / "pair280").mkdir()  # another pair
    frames, _ = find(tmp_path, [28], [4], 0.0)
    assert [frame.action.name for frame in frames] == ["pair28/dance28"] * 2 + ["pair28/talk28"] * 2


def test_rotations_that_a_file_rounds_are_rigid(source: tuple[Path, dict[str, hi4d.Truth]], tmp_path: Path) -> None:
    shutil.copytree(source[0] / "pair28", tmp_path / "pair28")
    path = tmp_path / "pair28" / "dance28" / "cameras" / "rgb_cameras.npz"
    values = dict(np.load(path))
    exact = values["extrinsics"][0, :, :3] @ UP[:3, :3].T
    np.savez(path, **{**values, "extrinsics": values["extrinsics"].round(3)})
    rotation = find(tmp_path, [28], [4], 0.0)[0][0].camera.world_to_camera[:3, :3]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12) and np.abs(rotation - exact).max() < 1e-3


def test_what_is_missing_is_refused_before_any_work(source: tuple[Path, dict[str, hi4d.Truth]], tmp_path: Path) -> None:
    folder = tmp_path / "source"
    shutil.copytree(source[0], folder)
    with pytest.raises(UserError, match=r"pair37 has no sequences \(there: pair28, pair32\)"):
        find(folder, [28, 37], [4], 0.0)
    with pytest.raises(UserError, match=r"no camera 5: give cameras= of \[4, 16, 28"):
        find(folder, [28], [5], 0.0)
    with pytest.raises(UserError, match="camera 40 has 0 images, frames/ 2 meshes"):
        find(folder, [28], [40], 0.0)
    path = folder / "pair28" / "dance28" / "cameras" / "rgb_cameras.npz"
    values = dict(np.load(path))
    del values["dist_coeffs"]
    np.savez(path, **values)
    with pytest.raises(UserError, match="has no dist_coeffs"):
        find(folder, [28], [4], 0.0)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match="cannot be read"):
        find(folder, [28], [4], 0.0)
    path.unlink()
    with pytest.raises(UserError, match=r"rgb_cameras\.npz is missing"):
        find(folder, [28], [4], 0.0)


def test_overlap_and_offset_are_what_they_say() -> None:
    a, b = np.zeros((20, 30), bool), np.zeros((20, 30), bool)
    a[2:12, 5:15], b[4:14, 6:16] = True, True
    assert overlap(a, b) == pytest.approx(72 / 128) and offset(a, b) == pytest.approx((1, 2))
    assert overlap(a & False, a & False) == 0 and np.isnan(offset(a, a & False)).all()
