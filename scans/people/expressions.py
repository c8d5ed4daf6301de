"""Expressions: mixtures of facial actions, subtle and a little lopsided."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Expression:
    """How often, and facial actions at full strength: ARKit's names, without Left and Right where both sides act."""

    share: float
    actions: dict[str, float]


EXPRESSIONS = {
    "neutral": Expression(0.22, {}),
    "smile": Expression(0.13, {"mouthSmile": 0.6, "cheekSquint": 0.4, "eyeSquint": 0.3, "mouthDimple": 0.15}),
    "slight smile": Expression(0.16, {"mouthSmile": 0.32, "mouthDimple": 0.2, "eyeSquint": 0.1}),
    "smile with teeth": Expression(
        0.11, {"mouthSmile": 0.7, "jawOpen": 0.06, "mouthUpperUp": 0.3, "mouthStretch": 0.2, "cheekSquint": 0.5, "eyeSquint": 0.35}
    ),
    "laugh": Expression(
        0.04, {"mouthSmile": 0.75, "jawOpen": 0.26, "mouthUpperUp": 0.35, "cheekSquint": 0.7, "eyeSquint": 0.55, "browInnerUp": 0.15}
    ),
    "serious": Expression(0.08, {"browDown": 0.4, "mouthPress": 0.3, "mouthFrown": 0.15}),
    "frown": Expression(0.03, {"browDown": 0.7, "eyeSquint": 0.3, "mouthFrown": 0.4, "noseSneer": 0.15}),
    "surprised": Expression(0.03, {"browInnerUp": 0.6, "browOuterUp": 0.6, "eyeWide": 0.45, "jawOpen": 0.14}),
    "speaking, open": Expression(0.05, {"jawOpen": 0.2, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1}),
    "speaking, round": Expression(0.04, {"jawOpen": 0.12, "mouthFunnel": 0.4, "mouthPucker": 0.2}),
    "speaking, wide": Expression(0.04, {"jawOpen": 0.08, "mouthStretch": 0.4, "mouthLowerDown": 0.3, "browInnerUp": 0.2}),
    "squint": Expression(0.03, {"eyeSquint": 0.8, "browDown": 0.3, "cheekSquint": 0.3, "mouthStretch": 0.1}),
    "tired": Expression(0.02, {"eyeBlink": 0.28, "mouthFrown": 0.25, "browInnerUp": 0.3}),
    "doubtful": Expression(0.02, {"browOuterUp": 0.3, "mouthShrugLower": 0.4, "mouthPress": 0.3}),
}
SINGLE = ("jawOpen", "mouthFunnel", "mouthPucker", "browInnerUp", "mouthShrugLower")  # one action for both sides
GAZE = {"ahead": 0.55, "aside": 0.25, "up": 0.06, "down": 0.14}
BLINK = 0.03  # how many faces are caught half in a blink


def draw_face(rng: np.random.Generator) -> tuple[str, dict[str, float]]:
    """A subtle, slightly lopsided expression: its name and anny's facial actions, gaze among them."""
    shares = np.array([expression.share for expression in EXPRESSIONS.values()])
    name = list(EXPRESSIONS)[rng.choice(len(shares), p=shares / shares.sum())]
    strength = rng.uniform(0.5, 1.0)
    slant = rng.normal(0, 0.1)  # most people smile with one side first
    actions: dict[str, float] = {}
    for action, value in EXPRESSIONS[name].actions.items():
        if action in SINGLE:
            actions[action] = strength * value * rng.uniform(0.8, 1.0)
            continue
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            actions[action + side] = strength * value * float(np.clip(1 + sign * slant + rng.normal(0, 0.05), 0.6, 1.2))
    if rng.random() < 0.3:
        actions["mouthLeft" if rng.random() < 0.5 else "mouthRight"] = rng.uniform(0, 0.12)
    gaze = _gaze(rng)
    blink = rng.uniform(0, 0.1) + 0.5 * gaze.get("eyeLookDownLeft", 0) + (rng.uniform(0.3, 0.5) if rng.random() < BLINK else 0)
    for side in ("Left", "Right"):
        actions["eyeBlink" + side] = min(0.6, actions.get("eyeBlink" + side, 0.0) + blink)
    return name, actions | gaze


def _gaze(rng: np.random.Generator) -> dict[str, float]:
    """Where both eyes look."""
    where = list(GAZE)[rng.choice(len(GAZE), p=list(GAZE.values()))]
    amount = float(rng.uniform(0.15, 0.5))
    if where == "aside":
        pair = ("eyeLookOutLeft", "eyeLookInRight") if rng.random() < 0.5 else ("eyeLookInLeft", "eyeLookOutRight")
        return dict.fromkeys(pair, amount)
    if where == "ahead":
        return {}
    return {f"eyeLook{where.title()}{side}": 0.7 * amount for side in ("Left", "Right")}
