"""Expressions: mixtures of facial actions, subtle and a little lopsided; open eyes that look somewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.body import Body


@dataclass(frozen=True)
class Expression:
    """How often, and facial actions at full strength: ARKit's names, without Left and Right where both sides act."""

    share: float
    actions: dict[str, float]


EXPRESSIONS = {
    "neutral": Expression(0.33, {"mouthSmile": 0.08}),
    "slight smile": Expression(0.27, {"mouthSmile": 0.34, "mouthDimple": 0.10, "cheekSquint": 0.2, "eyeSquint": 0.12}),
    "smile": Expression(0.12, {"mouthSmile": 0.55, "cheekSquint": 0.45, "eyeSquint": 0.30, "mouthDimple": 0.10}),
    "smile with teeth": Expression(
        0.08, {"mouthSmile": 0.55, "jawOpen": 0.09, "mouthUpperUp": 0.6, "mouthStretch": 0.1, "cheekSquint": 0.5, "eyeSquint": 0.35}
    ),
    "laugh": Expression(
        0.02, {"mouthSmile": 0.65, "jawOpen": 0.2, "mouthUpperUp": 0.55, "cheekSquint": 0.7, "eyeSquint": 0.55, "browInnerUp": 0.1}
    ),
    "serious": Expression(0.06, {"browDown": 0.3, "mouthPress": 0.25}),
    "thoughtful": Expression(0.03, {"browDown": 0.2, "mouthPucker": 0.15, "mouthPress": 0.2, "eyeSquint": 0.15}),
    "frown": Expression(0.01, {"browDown": 0.6, "eyeSquint": 0.3, "mouthFrown": 0.3, "noseSneer": 0.15}),
    "surprised": Expression(0.01, {"browInnerUp": 0.5, "browOuterUp": 0.5, "eyeWide": 0.35, "jawOpen": 0.12}),
    "speaking, open": Expression(0.02, {"jawOpen": 0.16, "mouthLowerDown": 0.2, "mouthSmile": 0.1}),
    "speaking, round": Expression(0.01, {"jawOpen": 0.10, "mouthFunnel": 0.35, "mouthPucker": 0.15}),
    "speaking, wide": Expression(0.02, {"jawOpen": 0.08, "mouthSmile": 0.25, "mouthLowerDown": 0.3, "browInnerUp": 0.15}),
    "squint": Expression(0.01, {"eyeSquint": 0.7, "browDown": 0.3, "cheekSquint": 0.3}),
    "doubtful": Expression(0.01, {"browOuterUp": 0.3, "mouthShrugLower": 0.3, "mouthPress": 0.3}),
}
SINGLE = ("jawOpen", "mouthFunnel", "mouthPucker", "browInnerUp", "mouthShrugLower")  # one action for both sides
SIDES = {"Left": 1.0, "Right": -1.0}
GLANCE = 0.12  # how many look well to a side
#: Degrees that the eye turns at full strength of each action; the lids follow.
LOOK_DEG = {"Out": 13.2, "In": 13.5, "Up": 8.8, "Down": 10.0}
VERGENCE_DEG = 1.2  # by which each eye turns in, for something a metre and a half away
#: Margins of the lids from the middle of the pupil when eyes look ahead, m: of the upper lid at an age, of the lower lid.
UPPER_LID_M, LOWER_LID_M = ([20, 45, 80], [0.0040, 0.0037, 0.0030]), -0.0053
WIDE_M, SQUINT_M = 0.0033, 0.0030  # by which eyeWide lifts the upper lid, eyeSquint the lower one


def draw_face(rng: np.random.Generator) -> tuple[str, dict[str, float]]:
    """A subtle, slightly lopsided expression: its name and anny's facial actions, gaze among them."""
    shares = np.array([expression.share for expression in EXPRESSIONS.values()])
    name = list(EXPRESSIONS)[rng.choice(len(shares), p=shares / shares.sum())]
    strength = rng.uniform(0.6, 1.0)
    slant = rng.normal(0, 0.12)  # most people smile with one side first
    actions: dict[str, float] = {}
    for action, value in EXPRESSIONS[name].actions.items():
        if action in SINGLE:
            actions[action] = strength * value * rng.uniform(0.8, 1.0)
            continue
        for side, sign in SIDES.items():
            actions[action + side] = strength * value * float(np.clip(1 + sign * slant + rng.normal(0, 0.05), 0.6, 1.2))
    if rng.random() < 0.3:
        actions["mouthLeft" if rng.random() < 0.5 else "mouthRight"] = rng.uniform(0, 0.10)
    return name, actions | _gaze(rng)


def _gaze(rng: np.random.Generator) -> dict[str, float]:
    """Both eyes on one spot, mostly nearly ahead."""
    aside = rng.normal(0, 8 if rng.random() < GLANCE else 3)  # degrees to the person's left
    up = rng.normal(-1.5, 2.5)
    actions = {}
    for side, sign in SIDES.items():
        out = float(np.clip(sign * aside - VERGENCE_DEG, -13, 13))
        for amount, positive, negative in ((out, "Out", "In"), (float(np.clip(up, -8, 5)), "Up", "Down")):
            look = positive if amount > 0 else negative
            actions[f"eyeLook{look}{side}"] = abs(amount) / LOOK_DEG[look]
    return actions


def open_eyes(body: Body, lashes: Sequence[Array], rest: Array, age: int, rng: np.random.Generator) -> dict[str, float]:
    """Facial actions that give a face without expression, on a base mesh at rest (19158,3), lids of natural height.

    lashes: `brows.lash_rails`. Phenotypes differ by millimetres, and a lid that is one too low looks drowsy.
    """
    upper = float(np.interp(age, *UPPER_LID_M)) + 0.0004 * np.clip(rng.normal(), -2, 2)
    lower = LOWER_LID_M + 0.0003 * np.clip(rng.normal(), -2, 2)
    actions = {}
    for side, number in (("Left", 0), ("Right", 1)):
        eye = rest[np.unique(body.groups[f"helper-{'lr'[number]}-eye"])]
        centre = (eye.min(axis=0) + eye.max(axis=0)) / 2
        above, below = (_height(rest[lashes[number + row][0]] - centre) for row in (0, 2))
        actions[f"eyeWide{side}"] = round(float(np.clip((upper - above) / WIDE_M, -0.6, 1.0)), 6)
        actions[f"eyeSquint{side}"] = round(float(np.clip((lower - below) / SQUINT_M, -0.6, 0.8)), 6)
    return actions


def _height(rail: Array) -> float:
    """Where the edge of a lid (C,3), seen from the eye's centre, crosses the plane x = 0."""
    order = np.argsort(rail[:, 0])
    return float(np.interp(0.0, rail[order, 0], rail[order, 2]))
