"""The page about a dataset says what the dataset holds, needs nothing else, and reads no more than it must."""

import base64
import dataclasses
import json
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conf.command import UserError
from datasets.conventions import normal_to_rgb
from datasets.triplet import Dataset, Triplet, write_shard
from render import report
from render.charts import Histogram
from render.config import RenderConfig
from render.plan import Plan
from tests.fixtures import sphere_triplet
from tests.render.conftest import sphere_record

COUNT, PER_SHARD = 40, 8


def write_set(folder: Path) -> list[Triplet]:
    """A dataset as the renderer leaves it: spheres for pictures, the plan's frames for records. Returns the triplets."""
    config = RenderConfig(scans="", out="", count=COUNT, height=96, width=72, frames_per_scan=4, shard_size=PER_SHARD, seed=5)
    config.light.lamps, config.camera.blur = [0.3, 0.4, 0.3], 0.5
    plan = Plan(config, [sphere_record(f"s{i}") for i in range(12)], ["day.hdr", "<night>.hdr"], ["a.jpg", "b.jpg"])
    made = []
    for index in range(COUNT):
        sphere = sphere_triplet(f"{index:09d}", np.random.default_rng(index))
        meta = json.loads(json.dumps({**plan.spec(index).meta(), "versions": {"blender": "4.5.1"}}))
        made.append(dataclasses.replace(sphere, meta=meta))
    dataset = Dataset(configuration=plan.fingerprint(), seed=5, count=COUNT)
    for number, first in enumerate(range(0, COUNT, PER_SHARD)):
        name = f"shard-{number:06d}.tar"
        entry = write_shard(folder / "shards" / name, made[first : first + PER_SHARD])
        dataset.shards[name] = {**entry, "rejections": {"person is too dark": 2} if number % 2 else {}}
    dataset.save(folder)
    return made


def write_page(folder: Path, **keys: Any) -> str:
    return report.report(report.ReportConfig(data=str(folder), **keys)).read_text()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Triplet]]:
    folder = tmp_path_factory.mktemp("set of <spheres>")
    return folder, write_set(folder)


@pytest.fixture(scope="module")
def page(dataset: tuple[Path, list[Triplet]]) -> str:
    return write_page(dataset[0], samples=6)


def facts(page: str) -> dict[str, str]:
    head = page[page.index('class="facts"') : page.index("<section>")]
    return {name: value for value, name in re.findall(r"<div><b>(.*?)</b>(.*?)</div>", head)}


def table(page: str, title: str) -> dict[str, int]:
    """Name -> count of a bar chart."""
    found = re.search(rf"<caption><b>{title}</b>.*?</table>", page)
    assert found, title
    return {name: int(count) for name, count in re.findall(r"<tr><th>(.*?)</th><td>.*?</td><td>(\d+)</td>", found.group())}


def histogram(page: str, title: str) -> tuple[str, list[int]]:
    """Note and counts of a histogram."""
    found = re.search(rf'<svg[^>]*aria-label="{re.escape(title)}: (.*?)">.*?</svg>', page)
    assert found, title
    return found[1], [int(count.replace(",", "")) for count in re.findall(r"<title>.*?: ([\d,]+)</title>", found.group())]


def test_bars_count_the_records(page: str, dataset: tuple[Path, list[Triplet]]) -> None:
    metas = [t.meta for t in dataset[1]]
    assert table(page, "Framing") == Counter(m["framing"] for m in metas)
    assert table(page, "Tone curve") == Counter(m["development"]["curve"] for m in metas)
    assert table(page, "Kind of lamp") == Counter(lamp["kind"] for m in metas for lamp in m["lighting"]["lamps"])


def test_what_follows_from_records_is_counted(page: str, dataset: tuple[Path, list[Triplet]]) -> None:
    metas = [t.meta for t in dataset[1]]
    assert table(page, "Lamps besides the environment") == Counter(str(len(m["lighting"]["lamps"])) for m in metas)
    assert table(page, "People in the scene") == Counter(str(len(m["subjects"])) for m in metas)
    assert table(page, "Floor").get("none") == sum(not m["backdrop"]["floor"] for m in metas)
    assert table(page, "Depth of field")["sharp everywhere"] == sum(m["f_number"] is None for m in metas)
    names = {"environment": "lighting environment", "other": "other environment"}
    assert table(page, "Backdrop") == Counter(names.get(m["backdrop"]["kind"], m["backdrop"]["kind"]) for m in metas)
    assert table(page, "Environment that lights")["&lt;night&gt;.hdr"] == sum("night" in m["lighting"]["environment"] for m in metas)
    assert table(page, "Draws rejected") == {"person is too dark": 4} and "4 of 44 draws, 9.1 %" in page


@pytest.mark.parametrize(
    ("title", "numbers"),
    [
        ("Lens, mm (full frame)", lambda m: [m["lens_mm"]]),
        ("Distance to what is framed, m", lambda m: [m["distance_m"]]),
        ("Colour temperature of lamps, K", lambda m: [lamp["kelvin"] for lamp in m["lighting"]["lamps"]]),
        ("Aperture where there is depth of field, f-number", lambda m: [m["f_number"]] if m["f_number"] else []),
        ("Exposure over the metered one, EV", lambda m: [m["development"]["exposure_ev"]]),
    ],
)
def test_histograms_hold_every_number(
    page: str, dataset: tuple[Path, list[Triplet]], title: str, numbers: Callable[[dict[str, Any]], list[float]]
) -> None:
    expected = [number for t in dataset[1] for number in numbers(t.meta)]
    note, counts = histogram(page, title)
    assert sum(counts) == len(expected) > 0 and f"· {len(expected)} " in note
    assert float(note.split()[1].replace(",", "")) == pytest.approx(np.median(expected), rel=6e-3)


def test_the_head_says_what_the_set_is(page: str, dataset: tuple[Path, list[Triplet]]) -> None:
    folder, triplets = dataset
    scans = {subject["scan"] for t in triplets for subject in t.meta["subjects"]}
    size = sum(path.stat().st_size for path in (folder / "shards").iterdir())
    expected = {
        "triplets": "40",
        "people": f"{len(scans)}",
        "scans": f"{len(scans)} of 12",
        "resolution": "72 × 96",
        "shards": "5",
        "on disk": f"{size / 1e6:.1f} MB",
        "seed": "5",
        "split": "train",
        "Blender": "4.5.1",
    }
    assert facts(page).items() >= expected.items()
    shown = Counter(subject["scan"] for t in triplets for subject in t.meta["subjects"])
    assert table(page, "Frames per scan") == Counter(str(count) for count in shown.values())
    assert table(page, "Scans shown most") == shown, "twelve fit"
    assert "camera.lens_mm=[24.0, 200.0]" in page and "hdris" not in page
    assert 'class="notice"' not in page


def test_pictures_show_the_maps(page: str, dataset: tuple[Path, list[Triplet]]) -> None:
    shown = re.findall(r'<div class="sample"><h3><b>(\d{9})</b> (.*?)</h3>(.*?)</div></div>', page)
    assert [key for key, _, _ in shown] == [f"{i:09d}" for i in (0, 8, 16, 23, 31, 39)]
    for key, caption, figures in shown:
        t = dataset[1][int(key)]
        inside = t.mask > 0
        assert t.meta["subjects"][0]["scan"] in caption and f" {t.meta['lens_mm']:.0f} mm" in caption and t.meta["framing"] in caption
        assert f"{t.depth[inside].min():.2f}<i></i>{t.depth[inside].max():.2f} m" in figures
        data = [base64.b64decode(text) for text in re.findall(r"base64,([^\"]+)", figures)]
        rgb, depth, normal, mask = (cv2.imdecode(np.frombuffer(d, np.uint8), 1)[..., ::-1].astype(float) for d in data)
        interior = cv2.erode(inside.astype(np.uint8), np.ones((9, 9))) > 0  # JPEG smears the outline
        assert np.abs(rgb - t.rgb)[interior].mean() < 6 and np.abs(normal - normal_to_rgb(t.normal))[interior].mean() < 6
        assert mask[interior].min() > 200 and depth[~(cv2.dilate(inside.astype(np.uint8), np.ones((17, 17))) > 0)].max(initial=0) < 20
        near, far = (t.depth < np.quantile(t.depth[interior], q) for q in (0.2, 0.8))
        assert depth[interior & near].mean() > depth[interior & ~far].mean() + 30, "near is bright"


def test_measures_of_a_known_mask() -> None:
    mask, depth = np.zeros((40, 20), np.uint8), np.zeros((40, 20), np.float32)
    mask[10:40, 5:9] = 1  # cut at the bottom
    mask[20:30, 12:20] = 2  # cut at the right
    depth[mask == 1], depth[mask == 2] = 2.0, 3.0
    found = report.measure(mask, depth)
    assert found["height"] == [75.0, 25.0] and found["coverage"] == 100 * (120 + 80) / 800
    assert found["cut"] == "bottom + right" and found["visible"] == 2
    assert Counter(found["depth"]) == {2.0: 120, 3.0: 80}
    assert report.measure(mask[:39, :19] * 0, depth[:39, :19])["cut"] == "no side"
    fine = report.measure(np.kron(mask, np.ones((50, 50), np.uint8)), np.kron(depth, np.ones((50, 50), np.float32)))
    assert 2000 < len(fine["depth"]) < 3000, "a quarter of some 10,000 pixels, whatever the resolution"


class Reader(HTMLParser):
    """Checks that elements nest, and collects what a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe", "object")
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "poster")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_holds_everything_itself(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    assert len(reader.sources) == 6 * 4 and all(source.startswith("data:image/jpeg;base64,") for source in reader.sources)
    for outside in ("http:", "https:", "url(", "@import", "<spheres>", "<night>", "nan"):
        assert outside not in re.sub(r"base64,[^\"]+", "", page)
    for svg in re.findall(r"<svg.*?</svg>", page):
        ElementTree.fromstring(svg)


def test_an_unfinished_and_damaged_set_says_so(tmp_path: Path) -> None:
    triplets = write_set(tmp_path)
    shards = tmp_path / "shards"
    (shards / "shard-000000.tar").unlink()
    (shards / "shard-000001.tar").write_bytes((shards / "shard-000001.tar").read_bytes()[:5000])
    flipped = bytearray((shards / "shard-000002.tar").read_bytes())
    flipped[flipped.rindex(b'"framing"')] ^= 0xFF  # in the last sample, and of the same size
    (shards / "shard-000002.tar").write_bytes(flipped)
    stored = json.loads((tmp_path / "dataset.json").read_text())
    del stored["shards"]["shard-000004.tar"]
    stored["shards"]["shard-000003.tar"] |= {"skipped": {"s1+s2": [3, 5]}, "given_up": {"30": "too <dark>"}}
    (tmp_path / "dataset.json").write_text(json.dumps({**stored, "count": 1000, "quarantined": {"s1+s2": "crashed"}}))
    page = write_page(tmp_path, samples=3)
    assert facts(page)["triplets"] == "8 of 1,000"
    assert "965 of 1,000 triplets are not rendered yet" in page and "Frames given up: 1; left out for their people: 2." in page
    assert table(page, "Frames given up") == {"too &lt;dark&gt;": 1}
    assert table(page, "Frames left out, by quarantined people") == {"s1+s2: crashed": 2}
    assert "shard-000000.tar is missing" in page and re.search(r"shard-000001.tar has 5,000 of [\d,]+ bytes", page)
    assert "shard-000002.tar cannot be read" in page
    assert table(page, "Framing") == Counter(t.meta["framing"] for t in triplets[24:32])


def test_only_records_and_the_chosen_maps_are_read(dataset: tuple[Path, list[Triplet]], monkeypatch: pytest.MonkeyPatch) -> None:
    read, whole = [], tarfile.TarFile.extractfile

    def extractfile(tar: tarfile.TarFile, member: Any) -> Any:
        read.append(member.name)
        return whole(tar, member)

    monkeypatch.setattr(tarfile.TarFile, "extractfile", extractfile)
    found = report.survey(Dataset.load(dataset[0]), dataset[0], shown=2, measured=5)
    keys = Counter(name.split(".", 1)[1] for name in read)
    assert keys == {"json": COUNT, "mask.png": 5, "depth.exr": 5, "rgb.png": 2, "normal.exr": 2}
    assert found.frames == COUNT and found.measured == 5 and len(found.rows) == 2


@given(
    st.lists(
        st.floats(-1e6, 1e6).map(lambda v: round(v, 6)) | st.integers(-3, 3).map(float) | st.floats(1e-3, 1e4), min_size=1, max_size=60
    ),
    st.booleans(),
)
@example([1.0, 1.0 + 1e-12], True)
@example([1e6, 1e6 + 1e-8], False)
@settings(max_examples=200, deadline=None)
def test_any_numbers_make_a_histogram(numbers: list[float], log: bool) -> None:
    chart = Histogram("value", "Value", log=log)
    for number in numbers:
        chart.add({"value": number})
    svg = ElementTree.fromstring(chart.to_html())
    counts, boxes = [], []
    for rect in svg.iter("rect"):
        counts.append(int(rect[0].text.rsplit(": ", 1)[1]))  # type: ignore[union-attr]
        boxes.append([float(rect.attrib[name]) for name in ("x", "y", "width", "height")])
    x, y, width, height = np.array(boxes).T
    assert sum(counts) == len(numbers)
    assert (x > 40).all() and (x + width < 350).all() and (width > 0).all() and (np.diff(x) > width[:-1]).all()
    assert (y > 50).all() and np.allclose(y + height, y.max(), atol=0.11)
    assert np.allclose(height, height.max() * np.array(counts) / max(counts), atol=0.11) and height.max() > 100


@given(st.integers(1, 10**6), st.integers(1, 200))
def test_samples_are_spread_evenly(total: int, count: int) -> None:
    chosen = report.spread(range(total), count)
    assert len(chosen) == len(set(chosen)) == min(total, count) and (chosen[-1] == total - 1 or count == 1)
    assert len(chosen) < 3 or np.ptp(np.diff(chosen)) <= 1


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/dataset.json does not exist"):
        write_page(tmp_path / "nowhere")
    (tmp_path / "dataset.json").write_text('{"half')
    with pytest.raises(UserError, match=f"data={tmp_path} is no dataset that can be read"):
        write_page(tmp_path)
    Dataset(configuration={}, seed=0, count=4).save(tmp_path)
    with pytest.raises(UserError, match=r"has nothing to show \(no shard yet\): run `python -m render`"):
        write_page(tmp_path)
    with pytest.raises(UserError, match="samples=0: must be at least 1"):
        write_page(tmp_path, samples=0)
    with pytest.raises(UserError, match="is a folder"):
        write_page(tmp_path, out=str(tmp_path))


def test_the_command(dataset: tuple[Path, list[Triplet]], tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "render.report", *arguments], capture_output=True, text=True, timeout=120)

    out = tmp_path / "page.html"
    done = run(f"data='{dataset[0]}'", f"out={out}", "samples=2")
    assert done.returncode == 0 and f"report: {out}" in done.stdout and out.read_text().count("<img") == 8, done.stderr
    failed = run(f"data={tmp_path}")
    assert failed.returncode == 2 and len(failed.stderr.strip().splitlines()) == 1 and "dataset.json does not exist" in failed.stderr
