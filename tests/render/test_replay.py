"""`python -m render.replay`: a frame made again is the stored one, opens in Blender, and what is missing is named."""

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conf.command import UserError
from datasets.triplet import MEMBERS, Dataset, read_exr, read_shard, write_shard
from render.replay import ReplayConfig, found_files, stored_sample
from render.spec import Backdrop
from tests.render.conftest import write_sphere
from tests.render.spheres import sphere_plan, write_sphere_plan

INDEX = 3

OPEN_AND_RENDER = """
import sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
pictures = [image for image in bpy.data.images if image.source == "FILE"]
assert pictures and all(image.packed_file for image in pictures)
assert [thing.name for thing in bpy.context.scene.objects if thing.pass_index] == [sys.argv[3]]
bpy.context.scene.render.filepath = sys.argv[2]
bpy.ops.render.render(write_still=True)
"""


def run(module: str, *keys: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *keys], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def rendered(catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rendered")
    small = ["height=96", "width=72", "samples=2", "frames_per_scan=2", "shard_size=2", "workers=1", "people.group=[1]"]
    small += ["light.lamps=[1]"]  # with some, their order in Blender's scene, and so the noise, follows from the frames before
    done = run("render", f"scans={catalogue}", f"out={out}", "count=4", *small)
    assert done.returncode == 0, done.stderr
    return out


def test_a_frame_is_made_again_and_opens_in_blender(rendered: Path, tmp_path: Path) -> None:
    done = run("render.replay", f"data={rendered}", f"index={INDEX}", f"out={tmp_path}", "blend=true")
    assert done.returncode == 0, done.stderr
    assert "depth, normal and mask are bit-equal" in done.stdout
    assert int(re.findall(r"rgb differs by (\d+) of 255 at most", done.stdout)[0]) <= 2

    sample = list(read_shard(rendered / "shards" / "shard-000001.tar"))[INDEX - 2]
    key = f"{INDEX:09d}"
    suffixes = [member.suffix for member in MEMBERS.values() if not member.optional]
    assert {path.name for path in tmp_path.iterdir()} == {f"{key}.{suffix}" for suffix in [*suffixes, "blend"]}
    for name in ("depth", "normal", "mask", "meta"):
        member = MEMBERS[name]
        assert (tmp_path / f"{key}.{member.suffix}").read_bytes() == member.encode(getattr(sample, name)), name

    picture = tmp_path / "again.exr"
    scan = sample.meta["subjects"][0]["scan"]
    opened = subprocess.run(
        [sys.executable, "-c", OPEN_AND_RENDER, tmp_path / f"{key}.blend", picture, scan], capture_output=True, text=True, timeout=100
    )
    assert opened.returncode == 0, opened.stderr
    silhouette = read_exr(str(picture))["geometry.IndexOB.X"]
    assert silhouette.shape == (96, 72)
    assert np.count_nonzero(silhouette != sample.mask) <= 2 and np.count_nonzero(sample.mask) > 100


def test_another_scan_under_the_same_name_is_noticed(catalogue: Path, rendered: Path, tmp_path: Path) -> None:
    shutil.copy(catalogue / "catalogue.jsonl", tmp_path)
    for name in ("sphere-0", "sphere-1"):
        write_sphere(tmp_path / f"{name}.glb", subdivisions=2)
    done = run("render.replay", f"data={rendered}", f"index={INDEX}", f"out={tmp_path / 'out'}", f"scans={tmp_path}")
    assert done.returncode == 1, done.stderr
    assert re.search(r"^depth differs in \d+ of 6912 pixels, by \S+ at most$", done.stdout, re.MULTILINE)
    assert "bit-equal" not in done.stdout


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    done = run("render.replay", f"data={tmp_path}", "index=0", f"out={tmp_path}")
    assert done.returncode == 2 and "dataset.json does not exist" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards of four, and one that is not rendered yet."""
    dataset = write_sphere_plan(tmp_path, sphere_plan(count=8))
    dataset.count = 12
    dataset.save(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        (-1, "index=-1: {} has the frames 0 to 11"),
        (12, "index=12: {} has the frames 0 to 11"),
        (10, "index=10: {}/shards/shard-000002.tar is not there"),
    ],
)
def test_a_frame_that_is_not_there_is_told(folder: Path, index: int, complaint: str) -> None:
    with pytest.raises(UserError, match=re.escape(complaint.format(folder))):
        stored_sample(folder, Dataset.load(folder), index)


@pytest.mark.parametrize(
    ("why", "value"),
    [
        ("sphere-1+sphere-2 is in quarantine", {"skipped": {"sphere-3": [5], "sphere-1+sphere-2": [6]}}),
        ("rejected 8 times", {"given_up": {"6": "rejected 8 times"}}),
        ("nobody knows why", {}),
    ],
)
def test_a_frame_that_was_left_out_is_told_why(folder: Path, why: str, value: dict[str, object]) -> None:
    path, dataset = folder / "shards" / "shard-000001.tar", Dataset.load(folder)
    write_shard(path, [sample for sample in read_shard(path) if sample.key != "000000006"])
    dataset.shards[path.name] |= {"skipped": {}, "given_up": {}} | value
    with pytest.raises(UserError, match=f"made without that frame .{re.escape(why)}"):
        stored_sample(folder, dataset, 6)
    assert stored_sample(folder, dataset, 7).key == "000000007"


def test_files_are_found_where_they_were_or_where_they_are_said_to_be(catalogue: Path, folder: Path, tmp_path: Path) -> None:
    spec, dataset = sphere_plan().spec(0), Dataset.load(folder)
    spec = dataclasses.replace(spec, subjects=(dataclasses.replace(spec.subjects[0], scan="sphere-1"),))
    skies, photographs = tmp_path / "skies", tmp_path / "photographs"
    for path in (skies / "sky.exr", skies / "other.exr", photographs / "wall.jpg"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    config = ReplayConfig(data=str(folder), index=0, out="")

    def found(backdrop: Backdrop, **keys: str) -> list[dict[str, Path]]:
        return list(found_files(dataclasses.replace(config, **keys), dataset, dataclasses.replace(spec, backdrop=backdrop)))

    with pytest.raises(UserError, match="does not say where its scans were: give scans=DIR"):
        found(Backdrop("studio"))
    dataset.sources = {"scans": str(catalogue), "hdris": None, "backdrops": None}
    with pytest.raises(UserError, match=r"sky.exr is not in .*: give hdris=DIR"):  # Blender's own have no such name
        found(Backdrop("studio"))
    there = {"sphere-1": (catalogue / "sphere-1.glb").resolve()}
    sky, other, wall = skies / "sky.exr", skies / "other.exr", photographs / "wall.jpg"
    assert found(Backdrop("studio"), hdris=str(skies)) == [there, {"sky.exr": sky}, {}]
    dataset.sources["hdris"], dataset.sources["backdrops"] = str(skies), str(photographs)
    assert found(Backdrop("other", "other.exr")) == [there, {"sky.exr": sky, "other.exr": other}, {}]
    assert found(Backdrop("photograph", "wall.jpg")) == [there, {"sky.exr": sky}, {"wall.jpg": wall}]
    for keys, complaint in (
        ({"backdrops": str(skies)}, "wall.jpg is not in .*skies: give backdrops=DIR"),
        ({"scans": str(skies)}, "catalogue.jsonl does not exist.*or give scans=DIR"),
    ):
        with pytest.raises(UserError, match=complaint):
            found(Backdrop("photograph", "wall.jpg"), **keys)
    unknown = dataclasses.replace(spec, subjects=(dataclasses.replace(spec.subjects[0], scan="sphere-9"),))
    with pytest.raises(UserError, match=r"sphere-9 is not in .*: give scans=DIR"):
        found_files(config, dataset, unknown)
