"""Datasets in their own layouts: whoever they show stands in metres, upright, facing -Y, in their own colours."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import scans.ingest
from conf.command import UserError
from datasets.conventions import WORLD_FROM_GLTF
from scans import catalogue, glb
from scans.canonical import Options
from scans.catalogue import ScanRecord
from scans.ingest import ingest
from scans.layouts import LAYOUTS, smplx
from scans.mesh import Refused
from tests.layouts import customhumans, renderpeople, sequences, thuman2, twok
from tests.layouts.body import ABOVE, BELOW, CANONICAL, HEAD
from tests.scans.figures import gap, load_canonical

NOTHING = Options()


@pytest.fixture(scope="module", autouse=True)
def no_previews() -> Iterator[None]:
    """They take most of the time, and `test_ingest` has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scans.ingest, "save_strip", lambda *_: None)
        yield


def bring(source: Path, out: Path, layout: str, options: Options = NOTHING, **keys: int) -> tuple[dict[str, ScanRecord], dict[str, str]]:
    records, refused, _ = ingest(source, out, options, detector=None, layout=layout, **keys)
    return {record.id: record for record in records}, refused


WRITERS: dict[str, tuple[Callable[[Path], object], dict[str, str]]] = {  # layout -> a source, and whose scans it holds
    "thuman2": (lambda source: thuman2.write(source, [0, 7, 525]), {f"{n:04d}": f"thuman2-{n:04d}" for n in (0, 7, 525)}),
    "renderpeople": (
        lambda source: renderpeople.write(source, ["rp_eric_posed_003", "rp_eric_posed_011", "rp_fabienne_percy_posed_001"], 70.0),
        {
            "rp_eric_posed_003": "renderpeople-eric",
            "rp_eric_posed_011": "renderpeople-eric",
            "rp_fabienne_percy_posed_001": "renderpeople-fabienne_percy",
        },
    ),
    "2k2k": (lambda source: twok.write(source, {"00003": "Train", "01002": "Test"}), {"00003": "2k2k-00003", "01002": "2k2k-01002"}),
    "customhumans": (
        lambda source: customhumans.write(source, {"0003": "f00101", "0007_00021_02": "f00101"}),
        {"0003-f00101": "customhumans-0003", "0007-f00101": "customhumans-0007"},
    ),
    "4ddress": (
        lambda source: [sequences.write(source / "00122" / outfit / "Take9", 1) for outfit in ("Inner", "Outer")],
        {f"00122-{outfit}-Take9-f00011": "4ddress-00122" for outfit in ("Inner", "Outer")},
    ),
    "xhumans": (
        lambda source: [sequences.write(source / "00016" / mode / "Take1", 1, "meshes_pkl") for mode in ("train", "test")],
        {f"00016-{mode}-Take1-f00011": "xhumans-00016" for mode in ("train", "test")},
    ),
}


@pytest.fixture(scope="module", params=list(WRITERS))
def brought(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, ScanRecord]]:
    folder, layout = tmp_path_factory.mktemp("layout"), request.param
    WRITERS[layout][0](folder / "in")
    records, refused = bring(folder / "in", folder / "out", layout)
    assert not refused
    return layout, folder / "out", records


def test_every_layout_has_its_test() -> None:
    assert set(LAYOUTS) == {"any", *WRITERS}


def test_everybody_stands_in_metres_upright_and_facing_the_camera(brought: tuple[str, Path, dict[str, ScanRecord]]) -> None:
    _, out, records = brought
    for record in records.values():
        assert gap(load_canonical(out / record.path).vertices, CANONICAL) < 1e-4, record.id
        assert record.height_m == pytest.approx(1.75, abs=1e-4)
        assert np.linalg.norm(np.array(record.head) - HEAD) < 0.05


def test_scans_are_named_and_told_apart_by_the_dataset(brought: tuple[str, Path, dict[str, ScanRecord]]) -> None:
    layout, _, records = brought
    assert {id: record.subject for id, record in records.items()} == WRITERS[layout][1]
    assert all(record.licence == LAYOUTS[layout].licence != "unknown" for record in records.values())
    splits: dict[str, str] = {}
    assert all(splits.setdefault(record.subject, record.split) == record.split for record in records.values())


def test_colours_lie_where_they_lay(brought: tuple[str, Path, dict[str, ScanRecord]]) -> None:
    """Each point of the body has the colour of its quarter: a texture upside down, mirrored, coarse or a neighbour's has not."""
    layout, out, records = brought
    for record in records.values():
        figure = load_canonical(out / record.path)
        assert record.textured
        if layout == "2k2k":
            (part,) = glb.read(out / record.path).parts
            figure, linear = part, part.colours[:, :3]
            shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055) * 255
        else:
            picture = np.asarray(figure.visual.material.baseColorTexture.convert("RGB")).astype(float)
            column, row = (figure.visual.uv * [1, -1] + [0, 1]).T * picture.shape[0]
            shown = picture[row.astype(int).clip(0, len(picture) - 1), column.astype(int).clip(0, len(picture) - 1)]
        x, _, z = figure.vertices.T
        tint = 1 - 0.1 * (int(record.id) % 5) if layout == "thuman2" else 1.0
        inner = (np.abs(x) > 0.02) & (np.abs(z - 1.0) > 0.05)  # JPEG's blocks blur the borders
        wanted = np.array([ABOVE, BELOW])[(z < 1.0).astype(int), (x > 0).astype(int)] * tint
        assert np.abs(shown - wanted)[inner].max() < 12, (layout, record.id)


def test_published_splits_are_kept(tmp_path: Path) -> None:
    thuman2.write(tmp_path / "in", [499, 500, 504, 505, 526])
    records, _ = bring(tmp_path / "in", tmp_path / "out", "thuman2")
    splits = {id: record.split for id, record in records.items()}
    assert {id: splits[id] for id in ("0499", "0500", "0504", "0505")} == {"0499": "train", "0500": "test", "0504": "test", "0505": "val"}
    assert records["0505"].attributes["published_split"] == "val" and "published_split" not in records["0526"].attributes


@pytest.mark.parametrize("fits", ["smplx", "fits", "../THuman2.0_smplx", "."])
@pytest.mark.parametrize("protocol", [2, 4])
def test_fits_are_found_beside_the_scans_or_one_up(tmp_path: Path, fits: str, protocol: int) -> None:
    (tmp_path / "in" / "data").mkdir(parents=True)
    thuman2.write(tmp_path / "in" / "data", [3], None if fits == "." else fits, protocol=protocol)
    if fits == ".":
        made = thuman2.write(tmp_path / "in" / "data", [3], None)
        (tmp_path / "in" / "data" / "0003" / "smplx_param.pkl").write_bytes(pickle.dumps(made["0003"]))
    records, refused = bring(tmp_path / "in" / "data", tmp_path / "out", "thuman2")
    assert not refused and records["0003"].attributes["found"]["units"].endswith("(fit)")
    assert "no SMPL-X fit" not in records["0003"].issues


def test_without_a_fit_the_height_is_stated_or_assumed_and_the_scan_flagged(tmp_path: Path) -> None:
    thuman2.write(tmp_path / "in", [1], None)
    records, _ = bring(tmp_path / "in", tmp_path / "out", "thuman2")
    assert records["0001"].height_m == pytest.approx(1.70, abs=1e-3)
    assert "no SMPL-X fit" in records["0001"].issues and any("assumed: 1.70 m tall" in issue for issue in records["0001"].issues)
    records, _ = bring(tmp_path / "in", tmp_path / "out", "thuman2", Options(height_m=1.81))
    assert records["0001"].height_m == pytest.approx(1.81, abs=1e-3) and "no SMPL-X fit" in records["0001"].issues


def test_what_the_user_states_wins_but_no_height_over_a_fit(tmp_path: Path) -> None:
    thuman2.write(tmp_path / "in", [1])
    assert bring(tmp_path / "in", tmp_path / "a", "thuman2", Options(height_m=1.2))[0]["0001"].height_m == pytest.approx(1.75, abs=1e-3)
    record = bring(tmp_path / "in", tmp_path / "b", "thuman2", Options(facing="+x"))[0]["0001"]
    assert record.attributes["found"]["facing"] == "+x (stated)"


def test_a_fit_placed_elsewhere_is_flagged(tmp_path: Path) -> None:
    made = thuman2.write(tmp_path / "in", [1])
    made["0001"]["translation"] = made["0001"]["translation"] + 5.0
    (tmp_path / "in" / "smplx" / "0001" / "smplx_param.pkl").write_bytes(pickle.dumps(made["0001"]))
    record = bring(tmp_path / "in", tmp_path / "out", "thuman2")[0]["0001"]
    assert any("the fit's head is not on the scan" in issue for issue in record.issues)
    assert record.height_m == pytest.approx(1.75, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"scale": torch.ones(1)}, r"smplx_param\.pkl names torch\..*save it again as numpy arrays"),
        ({"scale": np.zeros(1)}, r"smplx_param\.pkl: scale=0 is no size"),
        ({"global_orient": np.full((1, 3), np.nan)}, r"smplx_param\.pkl: global_orient has 3 values, 3 finite ones are needed"),
        ({"body_pose": np.zeros((1, 69))}, r"smplx_param\.pkl: body_pose has 69 values, 63"),
        ({"translation": "far"}, r"smplx_param\.pkl: translation is no array"),
    ],
)
def test_a_bad_fit_refuses_its_scan_alone(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    made = thuman2.write(tmp_path / "in", [1, 2])
    path = tmp_path / "in" / "smplx" / "0001" / "smplx_param.pkl"
    path.write_bytes(pickle.dumps({**made["0001"], **change}))
    records, refused = bring(tmp_path / "in", tmp_path / "out", "thuman2")
    assert list(records) == ["0002"] and list(refused) == ["0001/0001.obj"]
    with pytest.raises(Refused, match=complaint):
        raise Refused(refused["0001/0001.obj"])


def test_the_head_follows_the_spine() -> None:
    """Bent forward at the hips by a quarter turn, the head is as far before the pelvis as it was above it."""
    fit = {"global_orient": np.zeros(3), "body_pose": np.zeros(63), "transl": np.zeros(3)}
    upright = np.array(smplx.options(fit, Path("fit")).head) - smplx.PELVIS
    for joint, pivot in ((None, 0.0), (2, 0.11)):
        pose = np.zeros((21, 3))
        root = np.zeros(3)
        (root if joint is None else pose[joint])[0] = np.pi / 2  # about +X: up becomes forward
        bent = np.array(smplx.options({**fit, "global_orient": root, "body_pose": pose}, Path("fit")).head) - smplx.PELVIS
        hinge = np.array([0, pivot, 0.0 if joint is None else -0.03])
        expected = hinge + Rotation.from_euler("x", 90, degrees=True).apply(upright - hinge)
        assert np.abs(bent - expected).max() < 1e-12


def test_the_head_is_in_the_scans_own_unit() -> None:
    fit = {"global_orient": np.array([0.1, 2.0, -0.2]), "body_pose": np.full(63, 0.05), "scale": 1.0, "translation": np.zeros(3)}
    head = np.array(smplx.options(fit, Path("fit"), scale=True).head)
    shift = np.array([0.3, -1.2, 2.0])
    moved = smplx.options({**fit, "scale": 0.4, "translation": shift}, Path("fit"), scale=True)
    assert np.allclose(moved.head, 0.4 * head + shift) and moved.metres == pytest.approx(2.5)


def test_ids_are_the_datasets_whatever_the_path(tmp_path: Path) -> None:
    thuman2.write(tmp_path / "here", [4, 9])
    shutil.copytree(tmp_path / "here", tmp_path / "there" / "deep" / "THuman2.0_Release")
    first, _ = bring(tmp_path / "here", tmp_path / "out", "thuman2")
    stamps = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.glb")}
    second, _ = bring(tmp_path / "there", tmp_path / "out", "thuman2")  # the folder has moved: the same scans
    assert first.keys() == second.keys() == {"0004", "0009"}
    assert stamps == {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.glb")}
    assert all("there" in record.source for record in second.values())


def test_a_second_run_does_nothing_and_a_changed_fit_does(tmp_path: Path) -> None:
    made = thuman2.write(tmp_path / "in", [4, 9])
    run = lambda: bring(tmp_path / "in", tmp_path / "out", "thuman2")[0]
    stamps = lambda: {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.glb")}
    run()
    before = stamps()
    run()
    assert stamps() == before
    path = tmp_path / "in" / "smplx" / "0004" / "smplx_param.pkl"
    path.write_bytes(pickle.dumps({**made["0004"], "scale": made["0004"]["scale"] * 1.1}))
    assert run()["0004"].height_m == pytest.approx(1.75 / 1.1, abs=1e-3)
    assert stamps()["0009.glb"] == before["0009.glb"]


def test_an_id_that_is_taken_is_said(tmp_path: Path) -> None:
    thuman2.write(tmp_path / "a", [4])
    shutil.copytree(tmp_path / "a" / "0004", tmp_path / "a" / "again" / "0004")
    with pytest.raises(UserError, match=r"are both scan 0004: give the folder of one"):
        bring(tmp_path / "a", tmp_path / "out", "thuman2")
    shutil.rmtree(tmp_path / "a" / "again")
    bring(tmp_path / "a", tmp_path / "out", "any")
    with pytest.raises(UserError, match=r"scan 0004 is there already, from .*0004\.obj: give another out="):
        thuman2.write(tmp_path / "b", [4])
        bring(tmp_path / "b", tmp_path / "out", "thuman2")


@pytest.mark.parametrize(("every", "frames"), [(1, [11, 12, 13, 14, 15]), (2, [11, 13, 15]), (30, [11])])
def test_of_a_sequence_every_nth_frame_is_taken(tmp_path: Path, every: int, frames: list[int]) -> None:
    sequences.write(tmp_path / "in" / "00122" / "Outer" / "Take9", 5)
    records, _ = bring(tmp_path / "in", tmp_path / "out", "4ddress", every=every)
    assert list(records) == [f"00122-Outer-Take9-f{number:05d}" for number in frames]


def test_frames_without_atlas_have_vertex_colours_and_without_fit_metres(tmp_path: Path) -> None:
    take = tmp_path / "in" / "00122" / "Outer" / "Take9"
    sequences.write(take, 1, fits=False)
    path = take / "Meshes_pkl" / "mesh-f00011.pkl"
    mesh = pickle.loads(path.read_bytes())
    colours = np.random.default_rng(0).integers(0, 255, (len(mesh["vertices"]), 4), np.uint8)
    path.write_bytes(pickle.dumps({**mesh, "colors": colours}))
    (take / "Meshes_pkl" / "atlas-f00011.pkl").unlink()
    (record,) = bring(tmp_path / "in", tmp_path / "out", "4ddress")[0].values()
    assert record.attributes["albedo"] == "vertex colours" and "no atlas-f00011.pkl" in record.issues
    assert record.height_m == pytest.approx(1.75, abs=1e-4) and record.attributes["found"]["units"].startswith("m (stated")


def test_the_published_halves_of_xhumans_are_recorded_not_followed(tmp_path: Path) -> None:
    for mode in ("train", "test"):
        sequences.write(tmp_path / "in" / "00016" / mode / "Take1", 1, "meshes_pkl")
    records, _ = bring(tmp_path / "in", tmp_path / "out", "xhumans")
    assert len({record.split for record in records.values()}) == 1  # one person
    assert {record.attributes["published_split"] for record in records.values()} == {"train", "test"}


def test_a_damaged_frame_is_refused_by_name(tmp_path: Path) -> None:
    take = tmp_path / "in" / "00122" / "Outer" / "Take9"
    sequences.write(take, 2)
    (take / "Meshes_pkl" / "mesh-f00011.pkl").write_bytes(pickle.dumps({"vertices": np.zeros((4, 2)), "faces": np.zeros((1, 3), int)}))
    (take / "Meshes_pkl" / "atlas-f00012.pkl").write_bytes(pickle.dumps(np.zeros((4, 4))))
    _, refused = bring(tmp_path / "in", tmp_path / "out", "4ddress", every=1)
    assert "vertices is float64 (4, 2), not numbers (N, 3)" in refused["00122/Outer/Take9/Meshes_pkl/mesh-f00011.pkl"]
    assert "not a picture (H, W, 3) of bytes" in refused["00122/Outer/Take9/Meshes_pkl/mesh-f00012.pkl"]


@pytest.mark.parametrize("layout", [name for name in WRITERS if name != "customhumans"])
def test_the_wrong_layout_is_told_in_one_line(tmp_path: Path, layout: str) -> None:
    customhumans.write(tmp_path / "in", {"0003": "f00101"})
    complaint = (
        rf"holds no .*, as layout={layout} has it; it holds 2 \.obj, 1 \.mtl, 1 \.png \(as 0003/mesh-f00101\.mtl\): give another layout="
    )
    with pytest.raises(UserError, match=complaint):
        bring(tmp_path / "in", tmp_path / "out", layout)


def test_a_source_that_is_no_thuman2_is_told_what_was_looked_for(tmp_path: Path) -> None:
    twok.write(tmp_path / "in", {"00003": "Train"})
    with pytest.raises(UserError, match=r"holds no NNNN/NNNN\.obj, as layout=thuman2 has it; it holds 1 \.ply \(as 00003/00003\.ply\)"):
        bring(tmp_path / "in", tmp_path / "out", "thuman2")


def test_the_catalogue_says_how_a_scan_was_placed(tmp_path: Path) -> None:
    made = thuman2.write(tmp_path / "in", [12])
    bring(tmp_path / "in", tmp_path / "out", "thuman2")
    (record,) = catalogue.read(tmp_path / "out")
    options = record.attributes["options"]
    assert options["layout"] == "thuman2" and options["metres"] == pytest.approx(1 / made["0012"]["scale"][0])
    assert json.dumps(record.attributes)
    assert WORLD_FROM_GLTF.shape == (4, 4)
