"""The fixed set of the THuman2.0 benchmark: face, upper half and full body of each scan, from the same cameras for everyone.

Frame 3 n + f is framing f of scan n, whichever scans are there. Every draw is a hash of what it is for, so any language can
repeat it and no other draw moves it. **Version 1 is frozen**: whatever changes a frame makes it another version.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from conf.command import UserError
from render.config import FRAMINGS, RenderConfig
from render.lens import region
from render.plan import Look, Plan, aimed, subject
from render.spec import Backdrop, Development, Lighting, SceneSpec
from scans.catalogue import ScanRecord

NAME, VERSION, SEED = "thuman2", 1, 2024
SCANS = 526
FRAMES = len(FRAMINGS) * SCANS
#: What the published set is rendered with.
STANDARD = {"height": 1024, "width": 768, "samples": 8}
#: Keys that may be given: where and how it is run, and its size, which makes it a set of one's own.
OPEN = {"scans", "out", "plan", "albedo", "workers", "shards", "ray_address", *STANDARD}
SHARD = 10 * len(FRAMINGS)

LENS_MM = (35.0, 105.0)  # log-uniform
ORBIT_DEG = {"face": 60.0, "upper": 120.0, "full": 180.0}  # to either side
ELEVATION_DEG = (-10.0, 25.0)
FILL = (0.75, 0.95)
OFF_CENTRE = 0.03
NEAREST_M = 0.35


class THuman2(Plan):
    """The benchmark's frames over the scans that a catalogue has of it."""

    @classmethod
    def settled(cls, config: RenderConfig) -> RenderConfig:
        """The configuration of the set. Raises UserError for a key that it fixes."""
        default = RenderConfig(scans="", out="")
        for name in (field.name for field in fields(RenderConfig) if field.name not in OPEN):
            if getattr(config, name) != getattr(default, name):
                raise UserError(f"{name}: plan={NAME} is the same for everyone, and fixes it: leave {name}= out")
        return replace(config, count=FRAMES, seed=SEED, split="all", frames_per_scan=len(FRAMINGS), shard_size=SHARD)

    def __init__(self, config: RenderConfig, records: list[ScanRecord], environments: list[str], photographs: list[str]) -> None:
        """Raises UserError when none of the records is a scan of the benchmark."""
        mine = [r for r in records if r.attributes.get("options", {}).get("layout") == NAME and int(r.id) < SCANS]
        if not mine:
            raise UserError(f"scans={config.scans}: none of {len(records)} scans is THuman2.0's: ingest it with layout={NAME}")
        super().__init__(config, mine, environments, [])
        self.numbered = {int(record.id): record for record in mine}

    def people(self, index: int) -> list[ScanRecord]:
        """The scan of a frame; nobody where it is missing."""
        record = self.numbered.get(index // len(FRAMINGS))
        return [record] if record else []

    def frames(self) -> int:
        """How many frames there are."""
        return len(FRAMINGS) * len(self.numbered)

    def turns(self) -> Sequence[int]:
        """The numbers of the scans."""
        return sorted(self.numbered)

    def planned(self, indices: range) -> Sequence[int]:
        """Those whose scan is there."""
        return [index for index in indices if index // len(FRAMINGS) in self.numbered]

    def spec(self, index: int, attempt: int = 0) -> SceneSpec:
        """Frame `index`. Another attempt has another light, never another camera."""
        (record,) = self.people(index)
        framing = FRAMINGS[index % len(FRAMINGS)]
        environment = self.environments[int(drawn(record.id, "environment") * len(self.environments))]
        rotation = 2 * math.pi * drawn(record.id, framing, "rotation", attempt)
        camera = aimed(look(record.id, framing), region(record, framing), (self.config.height, self.config.width), record.head, None)
        return SceneSpec(
            index=index,
            attempt=attempt,
            seed=SEED,
            subjects=(subject(record, np.eye(4)),),
            framing=framing,
            camera=camera,
            lighting=Lighting(environment, rotation, ()),
            backdrop=Backdrop("environment", environment, rotation=rotation),
            development=Development(exposure_ev=0.0, white_balance_k=6504.0, curve="standard"),
            samples=self.config.samples,
            cycles_seed=int(2**31 * drawn(record.id, framing, "noise", attempt)),
        )

    def missing(self) -> list[str]:
        """The ids of the benchmark's scans that are not there."""
        return [f"{number:04d}" for number in range(SCANS) if number not in self.numbered]

    def notes(self) -> list[str]:
        """What is missing, of unknown size, or not as published."""
        lines = [f"plan={NAME} version {VERSION}: {len(self.numbered)} of {SCANS} scans{_listed(self.missing(), 'are missing')}"]
        unfitted = self._unfitted()
        lines += [f"of unknown size, for want of a fit{_listed(unfitted, 'are not comparable')}"] if unfitted else []
        if not self._standard():
            lines.append(f"not as published ({', '.join(f'{name}={value}' for name, value in STANDARD.items())}): a set of your own")
        return lines

    def benchmark(self) -> dict[str, Any]:
        """As `dataset.json` records it. people: a digest of sizes and heads; groups that share it have the same cameras."""
        made = {"name": NAME, "version": VERSION, "seed": SEED, "standard": self._standard(), "people": self.people_digest()}
        return {**made, "missing": self.missing(), "unfitted": self._unfitted()}

    def fingerprint(self) -> dict[str, Any]:
        """What must be equal for two runs to belong to one dataset."""
        keys = {name: getattr(self.config, name) for name in ("plan", "albedo", "normal_maps", "shard_size", *STANDARD)}
        return {**keys, "version": VERSION, "people": self.people_digest(), "environments": self.environments}

    def _standard(self) -> bool:
        return all(getattr(self.config, name) == value for name, value in STANDARD.items())

    def _unfitted(self) -> list[str]:
        return [record.id for record in self.records if record.attributes["options"]["metres"] is None]


def drawn(*what: object) -> float:
    """A number in [0, 1): the first 52 bits of the SHA-256 of the benchmark's name, version and seed and of what it is for."""
    text = " ".join(map(str, (NAME, VERSION, SEED, *what)))
    return int(hashlib.sha256(text.encode()).hexdigest()[:13], 16) / 2**52


def look(scan: str, framing: str) -> Look:
    """How the camera of a frame is drawn."""

    def between(name: str, low: float, high: float) -> float:
        return low + (high - low) * drawn(scan, framing, name)

    return Look(
        lens_mm=math.exp(between("lens", *map(math.log, LENS_MM))),
        orbit_deg=between("orbit", -ORBIT_DEG[framing], ORBIT_DEG[framing]),
        elevation_deg=between("elevation", *ELEVATION_DEG),
        roll_deg=0.0,
        fill=between("fill", *FILL),
        shift=np.array([between(name, -OFF_CENTRE, OFF_CENTRE) for name in ("right", "down")]),
        nearest=NEAREST_M,
    )


def missing_frames(benchmark: dict[str, Any]) -> set[int]:
    """The indices of frames that a benchmark's set lacks for want of scans, from its record in `dataset.json`."""
    return {len(FRAMINGS) * int(id) + framing for id in benchmark.get("missing", ()) for framing in range(len(FRAMINGS))}


def _listed(ids: list[str], what: str) -> str:
    if not ids:
        return ""
    return f": {', '.join(ids[:8])}{f' and {len(ids) - 8} more' if len(ids) > 8 else ''} {what}"
