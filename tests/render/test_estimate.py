"""`python -m render.estimate`: the frames it times are the plan's, and its arithmetic has closed forms."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from datasets.triplet import Dataset
from render.estimate import EstimateConfig, Frame, Measurement, Trial, duration, measured, room, told
from tests.render.spheres import sphere_plan

DATASET = Dataset({}, 0, 0, shards={"a.tar": {"samples": 3, "bytes": 600}, "b.tar": {"samples": 1, "bytes": 600}})


def estimate(*keys: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "render.estimate", *keys], capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize(("count", "frames", "expected"), [
    (400, 6, [0, 1, 2, 200, 201, 202]),
    (400, 5, [0, 1, 2, 200, 201, 202]),
    (400, 1, [0, 1, 2]),
    (8, 99, [0, 1, 2, 4, 5, 6]),
    (2, 9, [0, 1]),
])  # fmt: skip
def test_a_trial_is_made_of_frames_of_the_whole_plan(count: int, frames: int, expected: list[int]) -> None:
    whole = sphere_plan(count=count)  # four frames of each scan
    trial = Trial(whole, frames)
    assert [trial.spec(index).index for index in range(trial.config.count)] == expected
    for index, original in enumerate(expected):
        assert trial.spec(index, 2) == whole.spec(original, 2)
        assert trial.people(index) == whole.people(original)
    # A shard is a turn, so that every scan of the trial is loaded once.
    assert trial.config.shard_size == trial.length == min(3, count) and whole.config.count == count


def turns(process: str, begin: float, number: int, first: float = 5.0, other: float = 1.0, cold: float = 9.0) -> list[Frame]:
    """A process that makes so many turns of three frames, one after the other, the very first frame in `cold` seconds."""
    frames = []
    for place in range(3 * number):
        end = begin + (cold if place == 0 else first if place % 3 == 0 else other)
        frames.append(Frame(process, begin, end, place % 3 == 0, place == 0))
        begin = end
    return frames


def test_throughput_is_that_of_the_whole_plan() -> None:
    """Loading is paid by one of eight frames there, not one of three as in the trial; starting, by none."""
    found = measured(turns("a", 100.0, 4), begun=90.0, frames_per_scan=8, dataset=DATASET)
    assert found.rate == pytest.approx(3600 / (5 / 8 + 7 / 8)) and found.error == 0
    assert (found.bytes, found.start, found.workers, found.frames) == (300, 19, 1, 11)


def test_frames_made_while_others_idle_do_not_count() -> None:
    """The second process starts late and ends late; meanwhile the other is alone, and fast."""
    early = [Frame("a", i * 0.1, (i + 1) * 0.1, i % 3 == 0, i == 0) for i in range(90)]
    busy, late = turns("a", 9.0, 5, cold=5.0), turns("b", 10.0, 5)
    alone = [Frame("b", late[-1].end + i, late[-1].end + i + 0.1, i % 3 == 0, False) for i in range(6)]
    found = measured(early + busy + late + alone, begun=0.0, frames_per_scan=8, dataset=DATASET)
    assert found.rate == pytest.approx(2 * 3600 / 1.5) and found.workers == 2


def test_a_very_short_trial_still_tells_something() -> None:
    (frame,) = turns("a", 0.0, 1)[:1]
    assert measured([frame], 0.0, 8, DATASET).rate == pytest.approx(3600 / 9)
    assert measured(turns("a", 0.0, 1), 0.0, 8, DATASET).rate == pytest.approx(3600 / (9 / 8 + 7 / 8))


def test_the_error_shrinks_with_the_frames() -> None:
    few, many = ([Frame("a", i, i + 1 + 0.5 * (i % 4 == 0), i % 2 == 0, False) for i in range(number)] for number in (32, 128))
    errors = [measured(frames, 0.0, 2, DATASET).error for frames in (few, many)]
    # Half of all frames are first ones, whose 16 times have a mean of 1.25 and a standard deviation of 0.258; the others take 1.
    assert errors[0] == pytest.approx(0.5 * 0.258 / 4 / 1.125, rel=0.01) and errors[0] / errors[1] == pytest.approx(2, rel=0.1)


def test_the_estimate_in_words() -> None:
    found = Measurement(rate=1450, error=0.04, bytes=0.61e6, start=20, workers=2, frames=24)
    config = EstimateConfig(scans="", count=500_000)
    text = told(found, config, "the CPU")
    assert "measured 24 frames" in text and "2 workers" in text and "1,450 triplets/hour (standard error 4%), 0.61 MB each; 20 s" in text
    assert text.endswith("500,000 triplets: 14.4 days on 1 machine, 305 GB")
    config.machines, config.price = 10, 2.0
    assert told(found, config, "the CPU").endswith("500,000 triplets: 34.5 hours on 10 machines, 305 GB, for 690.43 at 2 per machine-hour")


def test_a_shard_is_not_shared() -> None:
    """Three shards of ten on two workers take as long as four; one of five frames takes as long as the one worker it has."""
    found = Measurement(rate=7200, error=0.04, bytes=1e6, start=0, workers=2, frames=24)  # each worker one frame a second
    for count, seconds in ((30, 20), (5, 5), (400, 200), (1000, 500)):
        text = told(found, EstimateConfig(scans="", count=count, shard_size=10), "the CPU")
        assert f"\n{count:,} triplets: {duration(seconds / 3600)} on" in text


@pytest.mark.parametrize(("hours", "text"), [(1e4, "416.7 days"), (47, "47.0 hours"), (1.5, "90.0 minutes"), (0.01, "36 seconds")])
def test_durations(hours: float, text: str) -> None:
    assert duration(hours) == text


@pytest.mark.parametrize(("size", "text"), [(3.05e11, "305 GB"), (2.5e12, "2.5 TB"), (6.1e7, "61 MB")])
def test_rooms(size: float, text: str) -> None:
    assert room(size) == text


def test_the_command_measures_and_leaves_nothing(catalogue: Path) -> None:
    there = set(Path(tempfile.gettempdir()).glob("phidias-estimate-*"))
    small = ["height=96", "width=72", "samples=2", "workers=1", "frames=6", "people.group=[1]"]
    done = estimate(f"scans={catalogue}", "count=100000", "machines=3", "price=2", *small)
    assert done.returncode == 0, done.stderr
    rate, megabytes = (
        float(re.findall(pattern, done.stdout)[0].replace(",", "")) for pattern in (r"([\d,]+) triplets/hour", r"([\d.]+) MB")
    )
    assert "1 worker)" in done.stdout and rate > 100 and 0.01 < megabytes < 0.2
    cost = float(re.findall(r"for ([\d,.]+) at 2 per machine-hour", done.stdout)[0].replace(",", ""))
    assert cost == pytest.approx(2 * 100_000 / rate, rel=0.02)
    assert "on 3 machines" in done.stdout
    assert set(Path(tempfile.gettempdir()).glob("phidias-estimate-*")) <= there


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (["frames=0"], "frames=0: must be at least 1"),
        (["machines=0"], "machines=0: must be at least 1"),
        (["ray_address=auto"], "ray_address=auto: this machine is measured"),
        (["framing=feet"], "framing=feet: choose one of"),
    ],
)
def test_mistakes_are_one_line(catalogue: Path, keys: list[str], complaint: str) -> None:
    done = estimate(f"scans={catalogue}", "count=10", *keys)
    assert done.returncode == 2 and complaint in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr
