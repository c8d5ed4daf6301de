"""The table says the same digits in every format, marks what is quoted, compares only what compares, and needs nothing else."""

import base64
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conf.command import UserError
from tests.train import scored
from tests.train.conftest import run
from tests.train.printed import PARSED, Cells, Rows
from train.compare import formats, tables
from train.compare.__main__ import compare
from train.compare.charts import LEFT, RIGHT, WIDTH, chart
from train.compare.entries import gather, pairs, shared
from train.compare.page import gradient
from train.compare.tables import Line, Section, Table
from train.errormaps import SCALES, cells
from train.metrics import Figure
from train.quoted import QUOTED, quoted
from train.results import Part, Row, read, read_images, write
from train.tasks import TASKS

DISPARITY = "far/<Depth>_Anything & 100%"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two methods of equal protocol, one of which skipped an image, and one whose depth has an alignment of its own."""
    root = tmp_path_factory.mktemp("runs")
    scored.write(root / "a", "ours", 0.02)
    scored.write(root / "b", "theirs", 0.03, skip=["000000001"], doubt="normals fit far better otherwise")
    scored.write(root / "c", DISPARITY, 0.05, alignments={"depth": ("lsq_disparity",)})
    return {name: root / name for name in "abc"}


@pytest.fixture(scope="module")
def made(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The table of all three, by the command: format -> text."""
    out = tmp_path_factory.mktemp("table")
    given = f"results=[{','.join(str(folder) for folder in folders.values())}]"
    done = run("train.compare", given, f"out={out}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.rstrip().endswith("table.json")
    return {"terminal": done.stdout, **{kind: (out / f"table.{kind}").read_text() for kind in ("html", "md", "tex", "json")}}


def of_task(cells: Cells, task: str, section: str, label: str) -> list[str]:
    """A line of the table of a task's scores."""
    [found] = [
        row for (title, heading, name), row in cells.items() if title.startswith(f"{task} on ") and (heading, name) == (section, label)
    ]
    return found


@pytest.mark.parametrize("kind", PARSED)
def test_every_format_prints_the_digits_of_the_results(kind: str, made: dict[str, str], folders: dict[str, Path]) -> None:
    cells = PARSED[kind](made[kind])
    for name, method in (("a", "ours"), ("b", "theirs")):
        data = json.loads((folders[name] / "results.json").read_text())
        for row in data["rows"]:
            if row["group"] == "all":
                shown, section = TASKS[row["task"]].measure.figures, tables.AVERAGED[row["average"]]
                values = [f"{value * shown[f].factor:{shown[f].form}}" if (value := row["figures"][f]) is not None else "–" for f in shown]
                label = f"{method}, {row['alignment']}" if row["alignment"] else method
                assert of_task(cells, row["task"], section, label) == [str(row["images"]), *values]


@pytest.mark.parametrize("kind", PARSED)
def test_every_format_prints_the_intervals(kind: str, made: dict[str, str], folders: dict[str, Path]) -> None:
    row = next(row for row in read(folders["b"]).rows if (row.task, row.group, row.average) == ("normal", "all", "macro"))
    low, high = row.interval["within_22.5"]
    found = of_task(PARSED[kind](made[kind]), "normal", "mean of images (macro)", "theirs / 95 %")
    assert f"{100 * low:.1f}–{100 * high:.1f}" == found[list(row.figures).index("within_22.5")]


def test_all_formats_hold_the_same_lines(made: dict[str, str]) -> None:
    found = {kind: parse(made[kind]) for kind, parse in PARSED.items()}
    assert found["html"] == found["md"]
    captioned = {(title.split("; ")[0], section, label): row for (title, section, label), row in found["tex"].items()}
    assert captioned == found["md"]
    assert found["terminal"] == {line: found["md"].get(line) for line in found["terminal"]}
    assert {title.split(" on ")[0] for title, _, _ in found["terminal"]} > {"depth", "normal"}
    about = found["md"]["methods on hi4d version 1, 6 images", "as stated and recorded", "theirs"]
    assert about == ["folder", "predictions", "48x36", "normal_axes=xyz", "1", hashlib.sha256(b"set").hexdigest()[:12], "phidias v0.1.0"]
    assert "theirs: folder, looked at 48x36" in made["terminal"]


@pytest.mark.parametrize("kind", PARSED)
def test_what_is_quoted_has_its_sources_digits_and_is_marked_wherever_it_stands(kind: str, made: dict[str, str]) -> None:
    cells = PARSED[kind](made[kind])
    for row in QUOTED:
        if row.benchmark == "hi4d":
            section = f"quoted from {row.protocol.source}: another protocol, not measured here"
            assert of_task(cells, row.task, section, f"{row.method}, quoted") == list(row.figures.values())
    sapiens = [section for _, section, label in cells if label == "Sapiens-2B, quoted"]
    assert len({*sapiens}) == 2, "DAViD's protocol is a section of its own"


def test_quoted_numbers_are_in_the_unit_of_ours(made: dict[str, str]) -> None:
    data = json.loads(made["json"])
    depth = next(row for row in data["quoted"] if row["method"] == "DepthAnything-L")
    assert depth["figures"] == pytest.approx({"rmse": 0.147, "absrel": 0.035, "delta1": 0.997})
    assert all(row["quoted"] and row["protocol"]["source"] for row in data["quoted"])
    assert not quoted(None, "depth"), "data without a name has no papers"
    for row in QUOTED:
        assert row.figures.keys() <= TASKS[row.task].measure.figures.keys()
        assert all(0 <= value < 180 for value in row.values().values())


def test_the_best_of_an_alignment_is_marked_and_what_has_no_rival_is_not(folders: dict[str, Path], tmp_path: Path) -> None:
    scored.write(tmp_path / "b", "theirs", 0.03)
    found = compare([folders["a"], tmp_path / "b", folders["c"]], None)
    text = found[found.index("== depth on") :]
    ours, theirs, far = (
        next(line for line in text.splitlines() if line.startswith(f"  {label}")) for label in ("ours, l", "theirs, l", "far")
    )
    assert ours.count("*") >= 5 and theirs.count("*") <= 1
    assert "*" not in far
    text = text[text.index("== normal on") :]
    ours, theirs = (next(line for line in text.splitlines() if line.startswith(f"  {label} ")) for label in ("ours", "theirs"))
    assert (ours.count("*"), theirs.count("*")) == (7, 0), "angles: the least; parts of pixels: the most"


def test_none_is_the_best_of_those_that_were_scored_on_different_images(made: dict[str, str]) -> None:
    assert "*" not in made["terminal"][made["terminal"].index("== normal on") : made["terminal"].index("== depth, lsq: ")]


def test_a_terminal_is_never_wider_than_it_is(made: dict[str, str]) -> None:
    assert max(map(len, made["terminal"].split("written:")[0].splitlines())) <= formats.WIDTH


def test_what_was_left_out_or_cannot_be_compared_is_said_first(made: dict[str, str]) -> None:
    for kind in ("terminal", "md", "html", "tex"):
        head = " ".join(made[kind][: made[kind].index("depth on")].split())
        assert "theirs: normals fit far better otherwise" in head, kind
        assert "theirs: predictions left out: 1, the first of image 000000001" in head, kind
        assert "is aligned by lsq, median, " in head and "no paired difference" in head, kind


def figures_by_hand(folder: Path, task: str, skip: int) -> dict[str, np.ndarray[Any, Any]]:
    """Sums of the images but one, straight from the file."""
    with np.load(folder / "per_image.npz") as file:
        name = f"{task}/{'lsq' if task == 'depth' else '-'}/all"
        kept = file[f"{name}/places"] != skip
        return {"sums": file[f"{name}/sums"][kept], "medians": file[f"{name}/medians"][kept]}


def test_paired_differences_are_of_the_images_that_both_scored(made: dict[str, str], folders: dict[str, Path]) -> None:
    found = {
        (d["task"], d["alignment"]): d for d in json.loads(made["json"])["differences"] if (d["first"], d["second"]) == ("ours", "theirs")
    }
    assert found.keys() == {("depth", "lsq"), ("depth", "median"), ("normal", None)}
    assert all((d["images"], d["people"]) == (5, 3) for d in found.values())
    ours, theirs = (figures_by_hand(folders[name], "depth", 1)["sums"] for name in "ab")
    rmse = [np.sqrt(sums[:, 1] / sums[:, 0]).mean() for sums in (ours, theirs)]
    pooled = [np.sqrt(sums[:, 1].sum() / sums[:, 0].sum()) for sums in (ours, theirs)]
    depth, normal = found["depth", "lsq"], found["normal", None]
    assert depth["macro"]["rmse"]["value"] == pytest.approx(rmse[0] - rmse[1], rel=1e-12)
    assert depth["micro"]["rmse"]["value"] == pytest.approx(pooled[0] - pooled[1], rel=1e-12)
    medians = [figures_by_hand(folders[name], "normal", 1)["medians"].mean() for name in "ab"]
    assert normal["macro"]["median"]["value"] == pytest.approx(medians[0] - medians[1], rel=1e-12)
    assert normal["micro"]["median"]["value"] is None, "of fewer images it is not known"


def test_an_interval_of_three_people_is_among_their_twenty_seven_draws(made: dict[str, str], folders: dict[str, Path]) -> None:
    found = next(d for d in json.loads(made["json"])["differences"] if d["task"] == "normal" and d["second"] == "theirs")["macro"]["mean"]
    ours, theirs = (figures_by_hand(folders[name], "normal", 1)["sums"] for name in "ab")
    by_image = ours[:, 1] / ours[:, 0] - theirs[:, 1] / theirs[:, 0]
    people = np.array([0, 2, 0, 1, 2])  # of images 0, 2, 3, 4, 5: of person i % 3
    draws = [np.mean(np.concatenate([by_image[people == person] for person in draw])) for draw in np.ndindex(3, 3, 3)]
    assert (found["low"], found["high"]) == pytest.approx((min(draws), max(draws)), rel=1e-12), "each has a chance of at least 1/27"
    assert found["high"] < 0 and found["p"] == pytest.approx(2 / 10_001)


def test_a_method_does_not_differ_from_itself_in_another_order(folders: dict[str, Path], tmp_path: Path) -> None:
    results = read(folders["a"])
    images = read_images(folders["a"], results)
    turned = {
        part: reordered(scores, places=len(images.keys) - 1 - scores.places[::-1], order=slice(None, None, -1))
        for part, scores in images.scores.items()
    }
    write(tmp_path / "again", results, dataclasses.replace(images, keys=images.keys[::-1], persons=images.persons[::-1], scores=turned))
    for pair in pairs(gather([folders["a"], tmp_path / "again"])):
        for found in pair.differences.values():
            assert all(np.isnan(d.value) or d.value == pytest.approx(0, abs=1e-12) for d in found.values())


def reordered(scores: Any, places: Any, order: slice) -> Any:
    return type(scores)(scores.measure, places, scores.sums[order], scores.medians[order], scores.median)


OTHERS = {
    "name": "thuman2",
    "version": 2,
    "images": 7,
    "whole": False,
}


@pytest.mark.parametrize("name", OTHERS)
def test_results_of_another_benchmark_or_dataset_are_refused_and_it_is_said_what_differs(
    name: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["a"], tmp_path / "other")
    data = json.loads((tmp_path / "other" / "results.json").read_text())
    ours = data["benchmark"][name]
    data["benchmark"][name] = OTHERS[name]
    (tmp_path / "other" / "results.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match=f"is {re.escape(str(ours))} in .*, {OTHERS[name]} in .*other: score both on one dataset"):
        gather([folders["a"], tmp_path / "other"])


def test_other_shards_are_refused_but_for_a_named_set_which_may_be_made_anywhere(folders: dict[str, Path], tmp_path: Path) -> None:
    scored.write(tmp_path / "there", "theirs", 0.03, benchmark={"sha256": "0" * 64})
    assert "2 makes of hi4d, whose photographs may differ in noise" in " ".join(compare([folders["a"], tmp_path / "there"], None).split())
    for name, own in {"here": "1" * 64, "there": "0" * 64}.items():
        scored.write(tmp_path / name, name, benchmark={"name": None, "version": None, "sha256": own})
    with pytest.raises(UserError, match=f"the shards' sha256 is {'1' * 64} in .*here, {'0' * 64} in .*there: score both on one"):
        gather([tmp_path / "here", tmp_path / "there"])


def test_results_whose_images_or_truth_differ_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    results = read(folders["a"])
    images = read_images(folders["a"], results)
    write(tmp_path / "keys", results, dataclasses.replace(images, keys=["x", *images.keys[1:]]))
    with pytest.raises(UserError, match=r"image 000000000 is in .*a alone, of 2 such images"):
        gather([folders["a"], tmp_path / "keys"])
    smaller = {part: reordered(scores, scores.places, slice(None)) for part, scores in images.scores.items()}
    part = Part("normal", None, "all")
    smaller[part].sums = smaller[part].sums + 9
    write(tmp_path / "truth", results, dataclasses.replace(images, scores=smaller))
    with pytest.raises(UserError, match="truth, normal: the results are not of the same pixels"):
        list(pairs(gather([folders["a"], tmp_path / "truth"])))


def test_a_folder_given_twice_and_labels_that_cannot_be_told_apart_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="names a twice"):
        gather([folders["a"], folders["a"] / ".." / "a"])
    with pytest.raises(UserError, match="names no results"):
        gather([])
    for place in ("x/a", "y/a"):
        shutil.copytree(folders["a"], tmp_path / place)
    assert [entry.label for entry in gather([tmp_path / "x" / "a", folders["b"]])] == ["ours", "theirs"]
    with pytest.raises(UserError, match=r"both be called 'ours \(a\)'"):
        gather([tmp_path / "x" / "a", tmp_path / "y" / "a"])
    with pytest.raises(UserError, match="holds results itself"):
        compare([folders["a"]], folders["b"])


def test_two_runs_of_one_method_are_told_apart_by_their_folders(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["a"], tmp_path / "second")
    assert [entry.label for entry in gather([folders["a"], tmp_path / "second"])] == ["ours (a)", "ours (second)"]


def test_the_page_holds_its_pictures_and_reaches_for_nothing(made: dict[str, str], folders: dict[str, Path]) -> None:
    rows = Rows()
    rows.feed(made["html"])
    assert all(source.startswith("data:image/jpeg;base64,") for source in rows.sources)
    assert not re.search(r"@import|url\(|<script|<link", made["html"])
    listed = [
        folders[name] / picture.file
        for task in ("depth", "normal")
        for name in "abc"
        for picture in read(folders[name]).pictures
        if picture.task == task
    ]
    assert len(listed) == len(rows.sources) == 3 * (3 + 2)
    for path, source in zip(listed, rows.sources, strict=True):
        encoded = cv2.imencode(".jpg", cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        assert base64.b64decode(source.split(",")[1]) == encoded, "the right picture in the right place"
    assert DISPARITY not in made["html"], "a name is no mark-up"
    assert made["html"].count(f"0<i></i>{SCALES['normal'].top:g} °") == 6


def test_a_picture_that_is_gone_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["a"], tmp_path / "a")
    gone = read(tmp_path / "a").pictures[0].file
    (tmp_path / "a" / gone).write_bytes(b"")
    with pytest.raises(UserError, match=f"{gone} is missing or no picture"):
        compare([tmp_path / "a"], tmp_path / "out")


def test_a_dot_of_a_chart_stands_where_its_figure_is() -> None:
    figure = Figure("delta1", "%", 100, ".1f", max)
    rows = [
        Row("depth", "lsq", f"part={i}", "macro", 4, 9, {"delta1": value}, {"delta1": (value - 0.02, value + 0.01)})
        for i, value in enumerate((0.81, 0.95))
    ]
    svg = ElementTree.fromstring(chart("title", figure, "delta1", {"head <1>": [rows[0]], "feet": [rows[1], None]}))
    ticks = [(float(tick.get("x", "")), float(tick.text or "")) for tick in svg.iter("text") if tick.get("class") == "tick"]
    (x0, v0), (x1, v1) = ticks[0], ticks[-1]
    assert v0 <= 79 and v1 >= 96, "intervals are inside"
    assert (x0, x1) == (LEFT, WIDTH - RIGHT), "and the axis is as wide as the chart"
    dots = [v0 + (float(dot.get("cx", "")) - x0) * (v1 - v0) / (x1 - x0) for dot in svg.iter("circle")]
    assert dots == pytest.approx([81, 95], abs=0.1)
    lines = [line for line in svg.iter("line") if line.get("stroke")]
    ends = [v0 + (float(lines[0].get(end, "")) - x0) * (v1 - v0) / (x1 - x0) for end in ("x1", "x2")]
    assert ends == pytest.approx([79, 82], abs=0.1)
    assert [text.text for text in svg.iter("text") if text.get("class") == "value"] == ["81.0", "95.0", "–"]


def test_charts_of_errors_start_at_zero_and_hold_every_group(made: dict[str, str]) -> None:
    drawn = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", made["html"])]
    titles = Counter(svg.get("aria-label", "").split(":")[0] for svg in drawn)
    assert titles == Counter(f"{task} by {facet}" for task in ("depth", "normal") for facet in ("framing", "part", "light"))
    for svg in drawn:
        assert next(tick.text for tick in svg.iter("text") if tick.get("class") == "tick") == "0"
    assert "Head: the upper half." in made["html"], "what the results say of a group stands above its chart"
    parts = next(svg for svg in drawn if svg.get("aria-label", "").startswith("depth by part"))
    assert [text.text for text in parts.iter("text") if text.get("class") == "group"] == ["head", "legs"]
    assert len(list(parts.iter("circle"))) == 6


words = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(words, st.lists(words, min_size=1, max_size=9))
def test_no_name_breaks_a_table(label: str, cells: list[str]) -> None:
    line = Line(label * 50, tuple(cells), frozenset({0}))
    table = Table("t", label, tuple(cells), (Section(label, (line,), label),), label)
    row = next(row for row in formats.markdown(table).splitlines() if "**" in row and row.startswith("| "))
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == len(cells) + 2
    tex = formats.latex(table)
    bare = re.sub(r"\\[\\&%$#_{}]", "", tex.replace("{%\n", "{\n"))
    assert not re.search(r"[%#_~^]", bare.replace(r"\textasciitilde", "").replace(r"\textasciicircum", ""))
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    body = next(row for row in tex.splitlines() if r"\textbf" in row)
    assert len(re.findall(r"(?<!\\)&", body)) == len(cells)
    assert max(map(len, formats.terminal(table).splitlines())) <= formats.WIDTH
    ElementTree.fromstring(f"<body>{formats.page(table)}</body>")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX on this machine")
def test_the_latex_compiles(made: dict[str, str], tmp_path: Path) -> None:
    text = r"\documentclass{article}\usepackage{booktabs,graphicx,textcomp}\begin{document}" + made["tex"] + r"\end{document}"
    (tmp_path / "t.tex").write_text(text)
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_the_colour_bar_runs_from_the_colour_of_no_error_to_that_of_the_top() -> None:
    triplet, top = scored.spheres(1)[0], SCALES["alpha"].top
    truth, part = triplet.alpha / 255.0, Part("alpha", None, "all")
    ends = re.findall(r"#(\w{6})", gradient())
    for end, error in ((0, 0.0), (-1, top), (-1, 1.7 * top)):
        coloured = cells(triplet, part, np.abs(truth - error))[3]
        assert {"".join(f"{value:02x}" for value in colour) for colour in coloured.reshape(-1, 3).tolist()} == {ends[end]}


def test_scores_of_shared_images_keep_the_people_of_each(folders: dict[str, Path]) -> None:
    first, second = (read_images(folders[name], read(folders[name])) for name in "ab")
    for one, other in ((first, second), (second, first)):
        ours, theirs, people = shared(one, other, Part("depth", "lsq", "all"))
        assert len(ours) == len(theirs) == 5
        assert people == [f"person-{i % 3}" for i in (0, 2, 3, 4, 5)]
