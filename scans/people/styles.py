"""Haircuts: the numbers that a style is made of, and how one person's differ from the next one's."""

from dataclasses import dataclass, replace

import numpy as np

from datasets.conventions import Array
from scans.people.scalp import CENTRE, ease, unit

WHORL = unit(np.array([0.12, 0.62, 0.75]))  # where hair turns, at the back of the top


@dataclass(frozen=True)
class Way:
    """A direction to comb hair in, as a sum: away from the whorl, away from the parting, to the back (of the head), down."""

    away: float = 0.0
    across: float = 0.0
    back: float = 0.0
    down: float = 0.0


@dataclass(frozen=True)
class Style:
    """A haircut. Lengths in metres, of (top, sides, back, fringe); ways and lifts (degrees off the skin) of (top, sides, fringe).

    drop: instead of lengths, the hair ends this far below the middle of the skull when it hangs (layers: the top so much shorter,
    as a share); volume: how far hair lies off the head at (top, sides); part: how far the parting is from the middle, None: no
    parting; fade: degrees over which sides become top; rise, hold, weight, stiffness: see `strands.Combing`; clump: (spacing,
    amount); curl: (radius, pitch, flatness); stray: bend per length; strands: (spacing of roots, radius, points a curve); under: how far
    hair lies close below the strands, as a share of the volume; tip: how blunt they end, 0 to 1; gather: what the hair is drawn
    together to.
    """

    length: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    drop: float = 0.0
    layers: float = 0.0
    top: Way = Way(away=1.0)
    sides: Way = Way(away=0.5, down=1.0)
    fringe: Way = Way(away=1.0)
    lift: tuple[float, float, float] = (20.0, 10.0, 20.0)
    volume: tuple[float, float] = (0.010, 0.006)
    part: float | None = None
    fade: float = 30.0
    rise: float = 0.025
    hold: float = 0.2
    weight: float = 1.0
    stiffness: float = 0.015
    clump: tuple[float, float] = (0.015, 0.5)
    curl: tuple[float, float, float] = (0.0, 0.03, 0.0)
    stray: float = 0.12
    strands: tuple[float, float, int] = (0.0031, 0.0016, 8)
    under: float = 0.65
    tip: float = 0.4
    gather: str = ""

    def drawn(self, rng: np.random.Generator) -> "Style":
        """The same style on somebody else's head."""
        scale = float(rng.uniform(0.82, 1.22))
        length = np.array(self.length) * scale * rng.uniform(0.88, 1.12, 4)
        lift = np.array(self.lift) * rng.uniform(0.75, 1.25, 3)
        volume = np.array(self.volume) * rng.uniform(0.8, 1.3, 2)
        radius, pitch, flat = self.curl
        side = 1.0 if rng.random() < 0.5 else -1.0
        return replace(
            self,
            length=tuple(length.tolist()),
            drop=self.drop * scale,
            lift=tuple(lift.tolist()),
            volume=tuple(volume.tolist()),
            part=None if self.part is None else side * self.part * float(rng.uniform(0.75, 1.25)),
            clump=(self.clump[0] * float(rng.uniform(0.8, 1.3)), self.clump[1] * float(rng.uniform(0.7, 1.2))),
            curl=(radius * float(rng.uniform(0.75, 1.25)), pitch * float(rng.uniform(0.8, 1.25)), flat),
            stray=self.stray * float(rng.uniform(0.7, 1.4)),
        )

    def zones(self, points: Array) -> tuple[Array, Array, Array]:
        """How far points (N,3) of the template belong to the top, the back and the fringe (N,), 0 to 1."""
        d = unit(points - CENTRE)
        elevation = np.degrees(np.arcsin(d[:, 2]))
        top = ease((elevation - 34 - 8 * ease(d[:, 1])) / self.fade + 0.5)
        return top, ease(d[:, 1] / 0.6 + 0.3), top * ease((-d[:, 1] - 0.22) / 0.3)

    def lengths(self, points: Array) -> Array:
        """Length (N,) of hair that grows at points (N,3) of the template."""
        top, back, fringe = self.zones(points)
        if self.drop:
            d = points - CENTRE
            elevation = np.arcsin(np.clip(unit(d)[:, 2], -1, 1))
            full = self.drop + 0.10 * elevation + 0.02 * (elevation > 0) * elevation
            full = full * (1 - self.layers * top)
            return np.maximum(_mix(full, np.full_like(full, self.length[3]), fringe) if self.length[3] else full, 0.02)
        long, side, rear, front = self.length
        crown = ease((unit(points - CENTRE)[:, 1] + 0.25) / 1.0)  # what grows there ends where the back is short
        return _mix(_mix(_mix(side, rear, back), _mix(long, 0.3 * long + 0.7 * min(rear, long), crown), top), front, fringe)

    @property
    def standing(self) -> bool:
        """Whether hair stands off the head as a body of its own, of which strands are only the surface."""
        return self.volume[0] == 0

    def rises(self, points: Array) -> Array:
        """How far (m, (N,)) hair is close above the skin at points (N,3) of the template."""
        top, _, _ = self.zones(points)
        volume = self.lengths(points) if self.standing else _mix(self.volume[1], self.volume[0], top)
        return np.asarray(self.under * volume)

    @property
    def reach(self) -> float:
        """How long the longest hair is, m, about."""
        return max(*self.length, self.drop)

    def field(self, points: Array) -> Array:
        """Direction (N,3) in which hair is combed at points (N,3) of the template."""
        top, _, fringe = self.zones(points)
        d = unit(points - CENTRE)
        part = self.part or 0.0
        aside = np.clip((points[:, 0] - part) / 0.004, -1, 1) * ease((0.55 - d[:, 1]) / 0.3)
        sums = [
            _mix(_mix(getattr(self.sides, name), getattr(self.top, name), top), getattr(self.fringe, name), fringe)
            for name in ("away", "across", "back", "down")
        ]
        whorl = WHORL * np.array([1.0 if part <= 0 else -1.0, 1.0, 1.0])
        turned = 2.5 * ease((d[:, 1] + 0.1) / 0.8)  # behind the ears, back becomes down: hair does not run into a point
        back = unit(np.stack([np.zeros(len(d)), np.ones(len(d)), -turned], axis=1))
        ways = [unit(d - whorl), aside[:, None] * [1.0, 0, 0], back, np.broadcast_to([0, 0, -1.0], d.shape)]
        return sum((weight[:, None] * way for weight, way in zip(sums, ways, strict=True)), np.zeros_like(d))


def _mix(a: Array | float, b: Array | float, t: Array) -> Array:
    return np.asarray(a * (1 - t) + b * t)


_PARTED = Way(across=1.0, back=0.25, down=0.1)
_HANGING = Way(across=0.2, down=1.0, back=0.25)
_BACKWARD = Way(back=1.0, down=0.15)

STYLES = {
    "shaved": Style(),
    "buzz": Style((0.007, 0.005, 0.005, 0.007), lift=(30, 20, 30), volume=(0.003, 0.002), clump=(0.004, 0.2), stray=0.2,
                  strands=(0.0022, 0.00086, 3), under=0.5),
    "crew": Style((0.024, 0.009, 0.009, 0.030), lift=(38, 14, 48), volume=(0.008, 0.003), fringe=Way(away=0.6, across=0.3), part=0.03,
                  fade=22, clump=(0.010, 0.25), stray=0.15, strands=(0.0023, 0.00098, 5)),
    "messy": Style((0.050, 0.030, 0.035, 0.050), lift=(36, 16, 30), volume=(0.014, 0.008), stray=0.24, clump=(0.014, 0.6),
                   strands=(0.0025, 0.00113, 6), hold=0.10, rise=0.04),
    "side part": Style((0.085, 0.030, 0.030, 0.085), top=_PARTED, fringe=Way(across=1.0, back=0.35), sides=Way(back=0.5, down=1.0),
                       part=0.045, lift=(28, 10, 42), fade=55, volume=(0.015, 0.007), clump=(0.020, 0.45), stray=0.06,
                       strands=(0.0025, 0.00118, 8)),
    "slicked back": Style((0.11, 0.060, 0.040, 0.12), top=_BACKWARD, sides=Way(back=1.0, down=0.35), fringe=Way(back=1.0),
                          lift=(14, 5, 38), fade=45, volume=(0.010, 0.005), clump=(0.014, 0.5), stray=0.04, strands=(0.0027, 0.00120, 8)),
    "undercut": Style((0.10, 0.006, 0.006, 0.11), top=Way(back=0.8, across=0.45), fringe=Way(back=0.8, across=0.5), part=0.055, fade=12,
                      lift=(28, 18, 50), volume=(0.014, 0.002), clump=(0.018, 0.5), stray=0.06, strands=(0.0024, 0.00118, 7)),
    "quiff": Style((0.065, 0.014, 0.014, 0.080), top=Way(back=1.0, across=0.15), fringe=Way(back=0.9), fade=40, lift=(40, 12, 78),
                   volume=(0.018, 0.004), clump=(0.016, 0.5), stray=0.08, rise=0.045, hold=0.3, strands=(0.0024, 0.00113, 7)),
    "fringe": Style((0.075, 0.045, 0.050, 0.055), top=Way(away=1.0), fringe=Way(back=-1.0, down=0.6), lift=(16, 8, 8),
                    volume=(0.012, 0.009), clump=(0.016, 0.45), hold=0.15, strands=(0.0025, 0.00122, 7)),
    "curly": Style((0.085, 0.045, 0.055, 0.085), lift=(50, 38, 45), volume=(0.026, 0.014), curl=(0.0060, 0.024, 0.0), clump=(0.02, 0.3),
                   rise=0.05, hold=0.08, strands=(0.0043, 0.00144, 22), under=0.65, stray=0.2),
    "afro": Style((0.050, 0.046, 0.046, 0.042), lift=(75, 75, 75), volume=(0.0, 0.0), curl=(0.0022, 0.008, 0.0), clump=(0.008, 0.0),
                  rise=1.0, hold=1.0, stray=0.1, strands=(0.0021, 0.00086, 10), under=0.86, tip=0.8),
    "coils": Style((0.085, 0.07, 0.075, 0.055), lift=(62, 40, 60), volume=(0.020, 0.014), curl=(0.0015, 0.015, 0.0), clump=(0.01, 0.0),
                   hold=0.09, stray=0.20, strands=(0.0093, 0.00504, 14), under=0.3, tip=0.8),
    "bob": Style(drop=0.115, layers=0.1, top=_PARTED, sides=_HANGING, fringe=Way(across=1.0, back=0.5), part=0.03, lift=(10, 5, 14),
                 volume=(0.012, 0.012), hold=0.05, clump=(0.016, 0.25), stray=0.04, strands=(0.0032, 0.00199, 11), tip=0.45),
    "bob with fringe": Style((0, 0, 0, 0.075), drop=0.12, top=_PARTED, sides=_HANGING, fringe=Way(back=-1.0, down=0.5), part=0.0,
                             lift=(10, 5, 10), volume=(0.012, 0.012), hold=0.05, clump=(0.014, 0.15), stray=0.03,
                             strands=(0.0032, 0.00199, 11), tip=0.45),
    "lob": Style(drop=0.20, layers=0.15, top=_PARTED, sides=_HANGING, fringe=Way(across=1.0, back=0.5), part=0.035, lift=(12, 6, 15),
                 volume=(0.013, 0.012), hold=0.05, curl=(0.006, 0.11, 0.6), clump=(0.022, 0.35), stray=0.04,
                 strands=(0.0033, 0.00202, 15), tip=0.4),
    "long straight": Style(drop=0.36, layers=0.2, top=_PARTED, sides=_HANGING, fringe=Way(across=1.0, back=0.5), part=0.0,
                           lift=(8, 4, 10), volume=(0.009, 0.010), hold=0.05, clump=(0.02, 0.2), stray=0.025,
                           strands=(0.0035, 0.00259, 14), tip=0.6),
    "long wavy": Style(drop=0.34, layers=0.25, top=_PARTED, sides=_HANGING, fringe=Way(across=1.0, back=0.5), part=0.035,
                       lift=(14, 8, 18), volume=(0.011, 0.014), hold=0.06, curl=(0.013, 0.125, 0.5), clump=(0.028, 0.4), stray=0.04,
                       strands=(0.0041, 0.00230, 23), tip=0.3),
    "long curly": Style(drop=0.27, layers=0.3, top=_PARTED, sides=_HANGING, fringe=Way(across=1.0, back=0.5), part=0.03,
                        lift=(30, 16, 30), volume=(0.017, 0.024), hold=0.06, curl=(0.010, 0.042, 0.0), clump=(0.03, 0.3), stray=0.10,
                        strands=(0.0054, 0.00206, 34), under=0.3),
    "ponytail": Style(drop=0.26, volume=(0.006, 0.004), curl=(0.006, 0.12, 0.4), clump=(0.012, 0.3), gather="tail"),
    "bun": Style(volume=(0.008, 0.005), clump=(0.012, 0.3), gather="bun"),
    "braid": Style(drop=0.30, volume=(0.007, 0.005), clump=(0.012, 0.3), gather="braid"),
}  # fmt: skip
