"""Gestures: authored positions of arms and hands.

Angles are degrees. `side` is outward from the body, `forward` and `up` as they say; lengths are in lengths of the limb.
Everything is for a leading side, which is drawn, and the other side.
"""

from dataclasses import dataclass

Direction = tuple[float, float, float]  # (side, forward, up)


@dataclass(frozen=True)
class Arm:
    """A wrist from its shoulder, in axes of the chest, or a palm `gap` metres over the skin of a landmark (`at`); the elbow
    raised outward from where it hangs; the hand by angles of forearm and wrist, or by where palm and fingers look."""

    side: float = 0.14
    forward: float = 0.09
    up: float = -0.96
    elbow: float = 0.0
    pole: Direction | None = None
    supinate: float = 0.0
    wrist: float = 0.0
    deviate: float = 0.0
    grip: str = ""
    at: str = ""
    gap: float = 0.02
    palm: Direction | None = None
    fingers: Direction | None = None


#: Gesture -> arm.
ARMS: dict[str, Arm] = {
    "hang": Arm(),
    "hang forward": Arm(side=0.12, forward=0.20, up=-0.93),
    "hang back": Arm(side=0.18, forward=-0.08, up=-0.95),
    "swing forward": Arm(side=0.08, forward=0.36, up=-0.88, elbow=-4),
    "swing back": Arm(side=0.16, forward=-0.30, up=-0.92),
    "carry": Arm(side=0.20, forward=0.04, up=-0.97, grip="handle"),
    "run forward": Arm(side=-0.08, forward=0.56, up=-0.24, elbow=12, grip="loose", supinate=-15),
    "run back": Arm(side=0.20, forward=-0.16, up=-0.62, grip="loose", elbow=-10),
    "hip": Arm(at="hip", palm=(-0.8, 0.1, -0.6), fingers=(-0.1, 0.9, -0.45), elbow=30, grip="soft", gap=0.028),
    "pocket": Arm(at="pocket", fingers=(-0.1, 0.25, -1.0), elbow=14, grip="flat", gap=0.014),
    "thigh": Arm(at="thigh", fingers=(-0.25, 1.0, -0.2), elbow=10, grip="soft", gap=0.02),
    "knee": Arm(at="knee", fingers=(-0.3, 0.8, -0.6), elbow=12, grip="cupped", gap=0.02),
    "shin": Arm(at="shin", fingers=(-0.8, 0.35, -0.5), elbow=8, grip="cupped", gap=0.03),
    "belly": Arm(at="belly", fingers=(-1.0, 0.1, -0.25), elbow=8, grip="relaxed", gap=0.035),
    "over other hand": Arm(at="other back of hand", fingers=(-1.0, 0.1, -0.35), elbow=8, grip="cupped", gap=0.006),
    "chest": Arm(at="heart", fingers=(-1.0, 0.1, 0.35), elbow=14, grip="soft", gap=0.02),
    "hold other elbow": Arm(at="other elbow crease", fingers=(-1.0, 0.1, -0.25), elbow=4, grip="cupped", gap=0.024),
    "support other elbow": Arm(at="other elbow", fingers=(-1.0, 0.25, 0.1), elbow=4, grip="cupped", gap=0.022),
    "hold other arm": Arm(at="other upper arm", fingers=(-0.8, -0.4, 0.1), elbow=14, grip="cupped", gap=0.022),
    "crossed over": Arm(side=-0.44, forward=0.44, up=-0.36, elbow=14, supinate=10, grip="cupped"),
    "crossed under": Arm(side=-0.40, forward=0.34, up=-0.48, elbow=8, supinate=30, grip="relaxed"),
    "behind": Arm(at="sacrum", palm=(0.1, -1.0, 0.0), fingers=(-0.8, 0.0, -0.7), elbow=-10, grip="relaxed", gap=0.03),
    "chin": Arm(at="chin", fingers=(-0.5, 0.1, 0.8), grip="loose", gap=0.014, pole=(0.35, 0.4, -0.8)),
    "cheek": Arm(at="cheek", fingers=(-0.2, -0.3, 1.0), grip="soft", gap=0.008, pole=(0.4, 0.4, -0.8)),
    "mouth": Arm(at="mouth", fingers=(-0.8, 0.1, 0.5), grip="loose", gap=0.02, pole=(0.4, 0.4, -0.8)),
    "nape": Arm(at="nape", fingers=(-0.9, -0.3, -0.2), grip="cupped", gap=0.02, pole=(0.9, 0.3, 0.2)),
    "shade eyes": Arm(side=-0.12, forward=0.42, up=0.42, palm=(0.1, -0.35, -0.9), fingers=(-1.0, 0.15, 0.1), grip="flat",
                      pole=(0.9, 0.3, -0.3)),
    "scratch head": Arm(at="crown", fingers=(-0.7, -0.6, 0.4), grip="cupped", gap=0.012, pole=(0.9, 0.35, 0.1)),
    "hold phone": Arm(side=-0.10, forward=0.52, up=-0.18, palm=(-0.1, -0.85, 0.55), fingers=(-0.35, 0.45, 0.85), grip="phone"),
    "tap phone": Arm(side=-0.26, forward=0.44, up=-0.24, elbow=14, palm=(-0.3, 0.75, -0.6), fingers=(-0.7, 0.5, 0.35), grip="point"),
    "phone at ear": Arm(at="ear", fingers=(-0.15, -0.7, 0.65), grip="phone", gap=0.026, pole=(0.6, 0.5, -0.7)),
    "take a photograph": Arm(side=-0.20, forward=0.66, up=0.20, elbow=8, palm=(-0.5, -0.75, 0.0), fingers=(-0.6, 0.3, 0.6), grip="phone"),
    "selfie": Arm(side=0.22, forward=0.82, up=0.40, palm=(0.0, -0.9, -0.4), fingers=(-0.3, 0.1, 0.9), grip="phone"),
    "wave": Arm(side=0.40, forward=0.28, up=0.14, palm=(0.1, 1.0, 0.0), fingers=(0.2, 0.0, 1.0), grip="open", pole=(0.2, -0.1, -1.0)),
    "wave high": Arm(side=0.34, forward=0.22, up=0.86, elbow=6, palm=(0.1, 1.0, 0.0), fingers=(0.1, 0.1, 1.0), grip="open"),
    "point forward": Arm(side=0.06, forward=0.95, up=0.04, grip="point", supinate=10),
    "point aside": Arm(side=0.80, forward=0.50, up=0.10, grip="point", supinate=10),
    "point up": Arm(side=0.24, forward=0.58, up=0.76, grip="point", supinate=60),
    "talk": Arm(side=0.02, forward=0.56, up=-0.40, palm=(-0.6, 0.1, 0.8), fingers=(-0.1, 1.0, 0.2), grip="soft"),
    "talk wide": Arm(side=0.26, forward=0.50, up=-0.42, palm=(-0.5, 0.3, 0.8), fingers=(0.3, 1.0, 0.1), grip="open"),
    "explain": Arm(side=0.10, forward=0.60, up=-0.16, palm=(-0.9, 0.0, 0.3), fingers=(0.1, 0.9, 0.5), grip="pinch", pole=(0.3,
                   -0.2, -0.9)),
    "shrug": Arm(side=0.36, forward=0.34, up=-0.44, palm=(0.1, 0.3, 0.9), fingers=(0.7, 0.7, 0.0), grip="open"),
    "stop": Arm(side=0.04, forward=0.82, up=0.10, palm=(0.0, 1.0, 0.0), fingers=(0.0, 0.2, 1.0), grip="open"),
    "thumb up": Arm(side=0.06, forward=0.62, up=-0.22, palm=(-1.0, 0.1, 0.0), fingers=(-0.1, 1.0, 0.2), grip="thumb up"),
    "victory": Arm(side=0.32, forward=0.36, up=0.08, palm=(0.0, 1.0, 0.0), fingers=(0.1, 0.0, 1.0), grip="victory", pole=(0.2,
                   0.0, -1.0)),
    "clap": Arm(at="midline", fingers=(0.1, 0.8, 0.6), grip="flat", gap=0.03, pole=(0.6, -0.3, -0.8)),
    "arms out": Arm(side=0.93, forward=0.18, up=-0.12, supinate=20, grip="soft"),
    "raised": Arm(side=0.26, forward=0.14, up=0.93, elbow=0, grip="open"),
    "raised wide": Arm(side=0.58, forward=0.14, up=0.74, grip="open"),
    "cheer": Arm(side=0.36, forward=0.22, up=0.62, elbow=8, grip="fist"),
    "reach forward": Arm(side=0.06, forward=0.94, up=0.10, grip="open"),
    "reach up": Arm(side=0.10, forward=0.42, up=0.86, grip="open"),
    "reach down": Arm(at="floor", fingers=(-0.1, 0.6, -0.8), palm=(-0.6, -0.4, -0.6), gap=0.10, grip="cupped"),
    "reach floor": Arm(at="floor", fingers=(-0.2, 0.8, -0.6), palm=(-0.35, -0.1, -1.0), gap=0.05, grip="pinch"),
    "lean on floor": Arm(at="floor behind", fingers=(0.9, -0.4, -0.2), gap=0.012, grip="flat"),
    "balance": Arm(side=0.72, forward=0.16, up=-0.58, grip="soft"),
    "punch": Arm(side=-0.10, forward=0.94, up=0.06, elbow=10, supinate=40, grip="fist"),
    "guard": Arm(side=-0.06, forward=0.46, up=0.08, elbow=2, palm=(-0.85, -0.3, 0.0), fingers=(-0.1, 0.35, 0.95), grip="fist"),
    "throw back": Arm(side=0.60, forward=-0.28, up=0.42, elbow=10, grip="cupped"),
    "namaste": Arm(at="midline", fingers=(0.0, 0.3, 1.0), grip="flat", gap=0.02, pole=(0.8, -0.2, -0.7)),
    "dance side": Arm(side=0.46, forward=0.36, up=-0.30, elbow=14, grip="soft"),
    "dance up": Arm(side=0.34, forward=0.30, up=0.50, elbow=16, grip="relaxed"),
    "dance low": Arm(side=0.10, forward=0.46, up=-0.52, elbow=20, grip="loose"),
    "ballet": Arm(side=-0.04, forward=0.36, up=0.86, elbow=34, palm=(-0.6, -0.1, -0.7), fingers=(-0.9, 0.1, 0.4), grip="soft"),
}  # fmt: skip
