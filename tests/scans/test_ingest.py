"""The catalogue that ingest keeps, and its command line."""

import io
import re
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

from conf.command import UserError
from scans import catalogue
from scans.canonical import Options
from scans.ingest import IngestConfig, _options, ingest
from tests.scans.figures import PNG, ROOT, VERTICES, read_tree, to_file, write_obj, write_ply


def test_repeated_names_stay_apart(tmp_path):
    """THuman2's layout: every folder has its own material0.png; one subject may have several scans."""
    pictures = {}
    for index, (folder, name) in enumerate([("0001", "0001"), ("0002", "0002"), ("0002", "second"), ("deep/0001", "0001")]):
        stream = io.BytesIO()
        PIL.Image.new("RGB", (4, 4), (50 * index, 10, 10)).save(stream, format="PNG")
        pictures[f"{folder}/{name}.obj"] = stream.getvalue()
        if name != "second":
            write_obj(tmp_path / "in" / folder, name, png=stream.getvalue())
        else:
            write_obj(tmp_path / "in" / folder, name, mtl=None, png=None)
    write_ply(tmp_path / "in", "alone")
    write_ply(tmp_path / "in" / "deep", "Alone")
    records, _, _ = ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)
    assert len({record.id.lower() for record in records}) == len(records) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", record.id) for record in records)
    assert {record.subject for record in records} == {"0001", "0002", "deep", "alone"}
    splits = {}
    assert all(splits.setdefault(record.subject, record.split) == record.split for record in records)
    for record in records:
        name = Path(record.source).relative_to(tmp_path / "in").as_posix()
        if name in pictures and "second" not in name:
            tree, blob = read_tree(tmp_path / "out" / record.path)
            view = tree["bufferViews"][tree["images"][0]["bufferView"]]
            assert blob[view["byteOffset"] :][: view["byteLength"]] == pictures[name]


def test_second_run_keeps_what_is_unchanged(tmp_path):
    for name in ("a", "b"):
        write_obj(tmp_path / "in" / name, name)
    run = lambda height=None: ingest(tmp_path / "in", tmp_path / "out", Options(height_m=height), detector=None)
    stamps = lambda: {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.glb")}
    first, _, _ = run()
    before = stamps()
    assert run()[0] == first and stamps() == before
    (tmp_path / "in" / "a" / "material0.png").write_bytes(PNG + b"\0")  # a changed texture counts, not just a changed mesh
    run()
    assert stamps()["b.glb"] == before["b.glb"] and stamps()["a.glb"] != before["a.glb"]
    between = stamps()
    run(1.8)
    assert all(stamps()[name] != between[name] for name in between)


def test_new_source_keeps_the_splits_and_ids_of_the_old(tmp_path):
    for name in ("a", "b"):
        write_ply(tmp_path / "in" / name, name)
    first, _, _ = ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)
    for name in ("a", "d"):
        write_ply(tmp_path / "more" / name, name)
    both, _, done = ingest(tmp_path / "more", tmp_path / "out", Options(), detector=None)
    assert [record for record in both if record.id not in done] == first
    splits = {record.subject: record.split for record in first}
    assert all(record.split == splits.get(record.subject, record.split) for record in both)
    assert len(both) == 4 == len(catalogue.read(tmp_path / "out"))


def test_nothing_usable_leaves_an_empty_catalogue_that_can_grow(tmp_path):
    path = write_ply(tmp_path / "in", "a")
    good = path.read_bytes()
    path.write_bytes(b"")
    assert ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)[0] == []
    path.write_bytes(good)
    assert [record.id for record in ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)[0]] == ["a"]


def test_scan_that_became_unusable_leaves_the_catalogue(tmp_path):
    path = write_ply(tmp_path / "in", "a")
    write_ply(tmp_path / "in", "b")
    ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)
    path.write_bytes(b"")
    records, refused, _ = ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)
    assert [record.id for record in records] == ["b"] and list(refused) == ["a.ply"]
    assert not (tmp_path / "out" / "a.glb").exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"units": "inch"}, r"units=inch: give one of auto, m, cm, mm, unit"),
        ({"up": "x"}, r"up=x: give one of auto, y, z"),
        ({"facing": "north"}, r"facing=north: give one of auto, \+z, -z, \+x, -x, \+y, -y"),
        ({"up": "y", "facing": "-y"}, r"facing=-y lies along up=y"),
        ({"height_m": 175.0}, r"height_m=175"),
    ],
)
def test_wrong_values_are_refused_naming_the_right_ones(keys, message):
    with pytest.raises(UserError, match=message):
        _options(IngestConfig(source="in", out="out", **keys))


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "scans.ingest", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_error_is_one_line():
    result = _command("out=x", "facing=-y")
    assert result.returncode == 2 and "missing key 'source'" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("source", ["nowhere", "."])
def test_source_without_meshes_is_refused(tmp_path, source):
    with pytest.raises(UserError, match=r"source=.*(no such folder|holds no mesh)"):
        ingest(tmp_path / source, tmp_path / "out", Options(), detector=None)


def test_command_line_end_to_end(tmp_path):
    write_obj(tmp_path / "in" / "anna", "anna", to_file(VERTICES, "z", "+x", "cm"))
    write_obj(tmp_path / "in" / "ben", "ben", png=None, mtl="newmtl skin\nmap_Kd gone.jpg\n")
    result = _command(f"source={tmp_path / 'in'}", f"out={tmp_path / 'out'}", "facing=+x", "up=z", "units=cm", "licence=CC-BY-4.0")
    assert result.returncode == 0, result.stderr
    assert "anna" in result.stdout and "1.75 m" in result.stdout and "preview.png" in result.stdout
    assert re.search(r"refused ben/ben\.obj: .*gone\.jpg", result.stdout)
    (record,) = catalogue.read(tmp_path / "out")
    assert record.subject == "anna" and record.licence == "CC-BY-4.0"
    assert (tmp_path / "out" / "preview.png").is_file()
