"""`python -m scans.people`: keys are checked, workers that die are replaced, runs are resumed, the same seed gives the same files."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conf.command import UserError
from datasets.triplet import temporary
from scans import catalogue, glb
from scans.mesh import Mesh, Part
from scans.people import __main__ as people
from scans.people.run import Task, Worker
from scans.people.wanted import Wanted
from tests.scans.figures import ROOT


class Tiny(Worker):
    """Makes triangles. Beside a file, `<name>.dies` or `<name>.once` kills the process that is to make it, `<name>.bad` is a fault."""

    def make(self, index: int, path: Path) -> None:
        if path.with_suffix(".once").exists() or path.with_suffix(".dies").exists():
            path.with_suffix(".once").unlink(missing_ok=True)
            temporary(path).write_bytes(b"half a person")
            os.kill(os.getpid(), signal.SIGKILL)
        if path.with_suffix(".bad").exists():
            raise ValueError("a hand is in a pocket")
        rng = np.random.default_rng([self.task.seed, index])
        mesh = Mesh([Part(rng.random((3, 3)), np.array([[0, 1, 2]]))])
        record = {
            "id": path.stem, "path": path.name, "subject": path.stem, "split": "", "source": "tiny", "licence": "CC0-1.0",
            "height_m": 1.7, "textured": False, "vertices": 3, "faces": 1, "bounds": [[0, 0, 0], [1, 1, 1]], "head": [0, 0, 1.6],
            "head_radius": 0.1, "attributes": {"rejections": {"pose": index}}, "keypoints": {"nose": [0.0, 0.0, 1.6]},
        }  # fmt: skip
        glb.write(mesh, path, {"record": record})


def config(out: Path, **keys) -> people.Config:
    return people.Config(**{"out": str(out), "count": 6, "seed": 3, "workers": 2} | keys)


def test_a_run_survives_its_workers_and_is_resumed(tmp_path, capfd):
    """Whatever dies on the way and however many workers there are, the files in the end are the same."""
    out = tmp_path / "out"
    out.mkdir()
    for index, fault in {1: "once", 3: "dies", 4: "bad"}.items():
        (out / f"person-{index:06d}.{fault}").touch()
    made = people.run(config(out), worker=Tiny)
    assert [record.id for record in made] == [f"person-{index:06d}" for index in (0, 1, 2, 5)]
    said = capfd.readouterr().err
    assert "person-000004 is left out: a hand is in a pocket" in said and "person-000003 is left out: 2 workers died" in said
    left = list(out.glob(".*.tmp"))
    assert left  # of the workers that died
    mine = temporary(out / "person-000099.glb")
    mine.touch()  # of a process that lives
    for path in [*out.glob("*.dies"), *out.glob("*.bad")]:
        path.unlink()
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("*.glb")}
    everyone = people.run(config(out, workers=1), worker=Tiny)
    assert len(everyone) == 6 and list(out.glob(".*.tmp")) == [mine]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    alone = Tiny(Task(seed=3, texture=2048, quality="full", wanted=Wanted()))
    for record in reversed(everyone):
        alone.make(int(record.id[-6:]), tmp_path / record.path)
        assert (out / record.path).read_bytes() == (tmp_path / record.path).read_bytes()
    assert [record.split for record in made] == [record.split for record in everyone if record.id in {r.id for r in made}]
    assert catalogue.read(out) == everyone and everyone[0].keypoints == {"nose": [0.0, 0.0, 1.6]}


def test_a_worker_writes_the_file_and_its_record(tmp_path):
    """The record counts what is in the file, where vertices are doubled between labels, and says what was drawn in vain."""
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]])
    part = Part(square, np.array([[0, 1, 2], [0, 2, 3]]), labels=np.array([4, 5], np.uint8))
    asked = []

    class Studio:
        def person(self, seed, index, wanted):
            asked.append((seed, index, wanted))
            return SimpleNamespace(
                mesh=Mesh([part]), height_m=1.00004, bounds=((0, 0, 0), (1, 0, 1)), head=(0.0, 0.0, 0.9), head_radius=0.1,
                attributes={"age": 30}, rejections={"an arm is in the trunk": 2}, keypoints={"nose": [0.0, 0.1, 0.9]},
            )  # fmt: skip

    worker = Worker(Task(seed=7, texture=64, quality="draft", wanted=Wanted(sex=("male",))))
    worker.__dict__["studio"] = Studio()
    worker.make(5, tmp_path / "person-000005.glb")
    record = people._kept(tmp_path, 5)
    assert record.vertices == sum(len(part.vertices) for part in glb.read(tmp_path / record.path).parts) == 6
    assert record.faces == 2 and record.height_m == 1.0 and record.keypoints == {"nose": [0.0, 0.1, 0.9]}
    assert record.attributes == {"age": 30, "rejections": {"an arm is in the trunk": 2}}
    assert asked == [(7, 5, Wanted(sex=("male",)))]


def test_a_run_that_gets_nowhere_ends_in_one_line(tmp_path):
    for index in range(30):
        (tmp_path / f"person-{index:06d}.bad").touch()
    with pytest.raises(UserError, match=r"no worker gets anywhere.* a hand is in a pocket"):
        people.run(config(tmp_path, count=30), worker=Tiny)
    assert not (tmp_path / catalogue.CATALOGUE_FILE).exists()


def test_a_cluster_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(UserError, match=r"ray_address=127\.0\.0\.1:9: no Ray cluster answers"):
        people.run(config(tmp_path, ray_address="127.0.0.1:9"), worker=Tiny)


def test_a_file_that_was_damaged_is_not_listed_until_it_is_made_again(tmp_path):
    worker = Worker(Task(seed=3, texture=64, quality="draft", wanted=Wanted()))
    for index in range(3):
        Tiny.make(worker, index, people._path(tmp_path, index))
    kept = {index: people._kept(tmp_path, index) for index in range(3)}
    everyone = people._catalogue(tmp_path, kept)
    (tmp_path / "person-000001.glb").write_bytes(b"")
    assert people._kept(tmp_path, 1) is None
    assert people._catalogue(tmp_path, {0: kept[0], 1: None}) == [everyone[0], everyone[2]]  # the last one was not asked for: it stays
    assert people._catalogue(tmp_path, kept) == catalogue.read(tmp_path)
    assert {record.id for record in catalogue.read(tmp_path)} == {record.id for record in everyone}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"age": [50, 20]}, r"age=\[50,20\]: give numbers from 18 to 90"),
        ({"age": [5, 20]}, r"age=\[5,20\]: give numbers from 18 to 90"),
        ({"age": [20.5, 30]}, r"age=\[20.5,30\]: give whole years"),
        ({"tone": "dark"}, r"tone=dark: give a number or a range, such as 'tone=\[1,10\]'"),
        ({"build": [0.1, 0.2, 0.3]}, r"build=\[0.1,0.2,0.3\]: give a number or a range"),
        ({"stature_m": 175}, r"stature_m=175: give numbers from 1.4 to 2.05"),
        ({"sex": "femal"}, r"sex=femal: did you mean 'female'\? give one or more of female, male"),
        ({"garments": []}, r"garments=\[\]: give one or more of "),
        ({"pose": ["standing", "flying"]}, r"pose=\[standing,flying\]: .*give one or more of .*standing"),
        ({"quality": "best"}, r"quality=best: give one of draft, full"),
        ({"workers": -1}, r"workers=-1: give 0 or a positive number"),
    ],
)
def test_impossible_wishes_are_refused_before_work(tmp_path, keys, said):
    with pytest.raises(UserError, match=said):
        people.run(config(tmp_path / "new", **keys))
    assert not (tmp_path / "new").exists()


def test_a_folder_holds_people_of_one_configuration(tmp_path, monkeypatch):
    asked = {"age": [20, 30], "sex": "female", "quality": "draft"}
    people._prepare(config(tmp_path, **asked))
    stored = json.loads((tmp_path / people.CONFIGURATION_FILE).read_text())
    assert stored["age"] == [20, 30] and stored["sex"] == ["female"] and stored["quality"] == "draft" and "tone" not in stored
    people._prepare(config(tmp_path, **asked, count=99, workers=7))  # what does not change a person may change
    people._prepare(config(tmp_path, **asked | {"sex": ["female"]}))
    for change, difference in [
        ({"age": None}, r"age=\[20.0, 30.0\]"),
        ({"tone": 3}, "tone=null"),
        ({"quality": "full"}, 'quality="draft"'),
    ]:
        with pytest.raises(UserError, match=difference):
            people._prepare(config(tmp_path, **asked | change))


def test_the_command_line_takes_wishes_and_says_what_is_wrong_with_them_in_one_line(tmp_path):
    given = [f"out={tmp_path / 'new'}", "age=[18,80]", "sex=female", "build=[0.2,0.8]", "pose=standign"]
    done = subprocess.run([sys.executable, "-m", "scans.people", *given], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "pose=standign: did you mean 'standing'?" in done.stderr
