"""Postures: authored positions of hips, trunk and feet.

Angles are degrees. `side` is outward from the body, `forward` and `up` as they say; lengths are in lengths of the limb.
Everything is for a leading side, which is drawn, and the other side.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trunk:
    """Hips at `height` leg lengths over the floor (less where legs do not reach), tipped forward, listing to the leading side,
    turned; the spine on them; head and shoulders; the leading leg's share of the weight."""

    height: float = 1.0
    tip: float = 0.0
    list: float = 0.0
    yaw: float = 0.0
    bend: float = 2.0
    lean: float = 0.0
    twist: float = 0.0
    nod: float = 2.0
    tilt: float = 0.0
    turn: float = 0.0
    shrug: float = 0.0
    lopsided: float = 0.0
    weight: float = 0.5


@dataclass(frozen=True)
class Leg:
    """A foot from under its hip, its sole's lowest point `lift` above the floor, toes `out`, `heel` raised, rolled onto its outer
    edge; the knee outward of the toes. A kneeling leg has its knee and instep on the floor instead."""

    side: float = 0.0
    forward: float = 0.0
    lift: float = 0.0
    out: float = 7.0
    heel: float = 0.0
    roll: float = 0.0
    knee: float = 0.0
    kneel: bool = False


#: Posture -> trunk, leading leg, other leg; and what else carries than feet and knees.
POSTURES: dict[str, tuple[Trunk, Leg, Leg]] = {
    "stand": (Trunk(), Leg(side=-0.02), Leg(side=-0.02)),
    "stand close": (Trunk(), Leg(side=-0.06, out=10), Leg(side=-0.06, out=10)),
    "stand wide": (Trunk(), Leg(side=0.09, out=10), Leg(side=0.09, out=10)),
    "contrapposto": (Trunk(weight=0.27, list=4, lean=-5, tilt=2), Leg(side=0.04, forward=0.12, out=20), Leg(side=-0.05, out=6)),
    "rest one leg": (Trunk(weight=0.22, list=5, lean=-7), Leg(side=0.10, forward=0.02, out=24), Leg(side=-0.07, out=4)),
    "step": (Trunk(weight=0.45), Leg(side=-0.03, forward=0.18), Leg(side=-0.03, forward=-0.14, out=14)),
    "heel up": (Trunk(weight=0.12, list=3, lean=-3), Leg(side=-0.03, forward=0.08, heel=24), Leg(side=-0.05)),
    "crossed ankles": (Trunk(weight=0.25), Leg(side=-0.18, forward=0.17, out=0, heel=18), Leg(side=-0.06, out=8)),
    "walk": (Trunk(tip=3, yaw=-6, twist=10), Leg(side=-0.06, forward=0.29, heel=-14, out=5),
             Leg(side=-0.06, forward=-0.27, heel=34, out=5)),
    "walk mid": (Trunk(tip=3, yaw=-2, twist=3), Leg(side=-0.06, forward=-0.02, out=5),
                 Leg(side=-0.05, forward=-0.30, lift=0.06, heel=40, out=4)),
    "walk short": (Trunk(tip=2, yaw=-4, twist=6), Leg(side=-0.05, forward=0.20, heel=-6, out=6),
                   Leg(side=-0.05, forward=-0.20, heel=22, out=6)),
    "walk uphill": (Trunk(height=0.93, tip=10), Leg(side=-0.04, forward=0.30, out=6), Leg(side=-0.04, forward=-0.26, heel=30, out=6)),
    "run": (Trunk(height=0.96, tip=9, yaw=-8, twist=16, bend=5), Leg(side=-0.05, forward=0.30, lift=0.10, heel=-4, out=3),
            Leg(side=-0.05, forward=-0.42, heel=52, out=4)),
    "run land": (Trunk(height=0.93, tip=8, yaw=-4, twist=10, bend=5), Leg(side=-0.06, forward=0.12, out=4),
                 Leg(side=-0.05, forward=-0.42, lift=0.34, heel=75, out=3)),
    "run drive": (Trunk(height=0.97, tip=11, yaw=-8, twist=16, bend=5), Leg(side=-0.04, forward=0.16, lift=0.30, heel=24, out=3),
                  Leg(side=-0.05, forward=-0.44, heel=50, out=4)),
    "sit on chair": (Trunk(height=0.50, tip=-8, bend=9), Leg(side=0.02, forward=0.47, out=8, knee=2),
                     Leg(side=0.02, forward=0.44, out=8, knee=2)),
    "sit leaning": (Trunk(height=0.50, tip=16, bend=16, nod=-4), Leg(side=0.10, forward=0.45, out=14, knee=4),
                    Leg(side=0.10, forward=0.38, out=14, knee=4)),
    "sit feet apart": (Trunk(height=0.49, tip=-12, bend=12), Leg(side=0.16, forward=0.60, out=18),
                       Leg(side=0.10, forward=0.34, heel=22, out=12)),
    "sit cross-legged": (Trunk(height=0.1, tip=-10, bend=20), Leg(side=0.06, forward=0.44, out=-35, heel=20, roll=50, knee=95),
                         Leg(side=0.05, forward=0.36, out=-35, heel=20, roll=50, knee=95)),
    "long-sit": (Trunk(height=0.1, tip=-16, bend=16), Leg(side=0.02, forward=0.96, heel=-72, out=8),
                 Leg(side=0.02, forward=0.96, heel=-72, out=8)),
    "sit one knee up": (Trunk(height=0.1, tip=-14, bend=24), Leg(side=0.04, forward=0.60, out=6),
                        Leg(side=0.06, forward=0.95, heel=-70, out=14)),
    "sit knees up": (Trunk(height=0.1, tip=-10, bend=28, nod=-4), Leg(side=0.0, forward=0.64, out=8), Leg(side=0.0, forward=0.61, out=8)),
    "kneel": (Trunk(height=0.55, bend=2), Leg(side=0.04, kneel=True, out=0), Leg(side=0.04, kneel=True, out=0)),
    "kneel on heels": (Trunk(height=0.27, tip=4, bend=8), Leg(side=0.06, kneel=True, out=-8, knee=14),
                       Leg(side=0.06, kneel=True, out=-8, knee=14)),
    "kneel on one knee": (Trunk(height=0.54, bend=4), Leg(side=0.06, forward=0.42, out=8), Leg(side=0.02, kneel=True, out=0)),
    "crouch": (Trunk(height=0.46, tip=34, bend=16, nod=-14), Leg(side=0.08, forward=0.16, out=14),
               Leg(side=0.05, forward=-0.22, heel=46, out=10)),
    "squat": (Trunk(height=0.36, tip=34, bend=12, nod=-14), Leg(side=0.16, forward=0.12, out=24), Leg(side=0.16, forward=0.12, out=24)),
    "half squat": (Trunk(height=0.72, tip=34, bend=6, nod=-10), Leg(side=0.12, forward=0.04, out=16),
                   Leg(side=0.12, forward=0.04, out=16)),
    "lunge": (Trunk(height=0.68, tip=4), Leg(side=0.02, forward=0.56, out=6), Leg(side=0.0, forward=-0.56, heel=52, out=4)),
    "side lunge": (Trunk(height=0.68, tip=22, bend=8, weight=0.6), Leg(side=0.26, out=26), Leg(side=0.42, out=16)),
    "warrior": (Trunk(height=0.72, tip=0), Leg(side=0.0, forward=0.62, out=4), Leg(side=0.06, forward=-0.62, out=62)),
    "bend": (Trunk(height=0.95, tip=52, bend=24, nod=-6), Leg(side=0.0), Leg(side=0.0)),
    "bend knees": (Trunk(height=0.58, tip=44, bend=24, nod=-6), Leg(side=0.08, forward=0.10, out=14),
                   Leg(side=0.08, forward=-0.18, heel=30, out=12)),
    "tiptoe": (Trunk(), Leg(side=-0.04, heel=32), Leg(side=-0.04, heel=32)),
    "knee up": (Trunk(weight=0.0, list=-2), Leg(side=-0.02, forward=0.16, lift=0.42, heel=30), Leg(side=-0.08, out=8)),
    "tree": (Trunk(weight=0.0), Leg(side=-0.14, forward=0.04, lift=0.33, heel=76, out=84, knee=0), Leg(side=-0.08, out=8)),
    "kick": (Trunk(weight=0.0, tip=-14, yaw=-14, twist=12, bend=12), Leg(side=-0.04, forward=0.78, lift=0.40, heel=-30, out=8),
             Leg(side=-0.08, out=18)),
    "kick back": (Trunk(weight=0.0, tip=14, bend=4), Leg(side=-0.02, forward=-0.48, lift=0.40, heel=80, out=10), Leg(side=-0.08, out=10)),
    "throw": (Trunk(weight=0.42, yaw=12, twist=16, lean=-4, bend=-2), Leg(side=0.02, forward=-0.22, out=34),
              Leg(side=0.0, forward=0.34, heel=-8, out=8)),
    "guard": (Trunk(height=0.94, tip=6, yaw=18, bend=8, nod=6), Leg(side=0.04, forward=-0.22, heel=20, out=28),
              Leg(side=0.02, forward=0.24, out=10)),
    "dance hips": (Trunk(height=0.96, weight=0.25, list=8, lean=-9, yaw=6, tilt=4), Leg(side=0.08, forward=0.10, heel=24, out=16),
                   Leg(side=0.02, out=12)),
    "dance step": (Trunk(height=0.95, weight=0.3, yaw=-10, twist=14, list=4), Leg(side=-0.16, forward=0.20, heel=20, out=14),
                   Leg(side=0.0, out=16)),
    "dance low": (Trunk(height=0.84, tip=16, bend=8, lean=5), Leg(side=0.16, out=22, knee=2), Leg(side=0.16, heel=18, out=18)),
    "dance kick": (Trunk(weight=0.0, lean=-5), Leg(side=0.22, forward=0.26, lift=0.14, heel=44, out=24), Leg(side=-0.08, out=14)),
    "side bend": (Trunk(lean=22), Leg(side=0.10, out=10), Leg(side=0.10, out=10)),
}  # fmt: skip
#: Postures whose seat is on the floor.
SEATED = ("sit cross-legged", "long-sit", "sit one knee up", "sit knees up")
#: Families whose weight is over the feet.
BALANCED = ("standing", "gesturing", "phone", "crouching", "bending", "reaching", "dancing", "yoga")
