"""What somebody wears and holds besides clothes: drawn as often as in the street, then made."""

from dataclasses import dataclass, replace

import numpy as np

from scans.people.accessories import bags, fitted, glasses, headwear, held, neckwear
from scans.people.accessories.bags import BagChoice
from scans.people.accessories.fitted import Small
from scans.people.accessories.glasses import GlassesChoice
from scans.people.accessories.headwear import Headwear, HeadwearChoice
from scans.people.accessories.held import HeldChoice
from scans.people.accessories.wearer import Item, Wearer
from scans.people.gestures import Arm
from scans.people.pose import Pose
from scans.people.surface import Surface

#: Shares of people.
SPECTACLES, HEADWEAR, BAG, PHONE, CUP, BOOK = 0.25, 0.12, 0.15, 0.12, 0.04, 0.02


@dataclass(frozen=True)
class Accessories:
    """What is worn and held; None for what is not."""

    glasses: GlassesChoice | None = None
    headwear: HeadwearChoice | None = None
    bag: BagChoice | None = None
    held: HeldChoice | None = None
    small: Small = Small()


def draw_accessories(rng: np.random.Generator, sex: str, age: int, tucked: bool, collar: str, hair: str, pose: Pose) -> Accessories:
    """Accessories of a person.

    tucked: the top is worn in the trousers or skirt, so that a belt shows; collar: of the outermost top; a tie wants `shirt`.
    """
    female = sex == "female"
    hands = {side: _use(pose.stance.arms[name]) for side, name in ((1, "L"), (-1, "R"))}
    spectacles = glasses.draw_glasses(rng) if rng.random() < SPECTACLES * (0.8 + 0.6 * (age > 45)) else None
    hat = headwear.draw_headwear(rng, sex) if rng.random() < HEADWEAR and hair not in ("bun", "afro") else None
    hanging = [side for side, use in hands.items() if use == "hanging"]
    bag = bags.draw_bag(rng, sex, int(rng.choice(hanging)) if hanging else 0) if rng.random() < BAG else None
    thing = _draw_held(rng, hands, bag)
    wrist = int(rng.choice([1, -1], p=[0.8, 0.2]))
    cloth = headwear.CLOTH[rng.integers(len(headwear.CLOTH))]
    leather = np.array([[0.06, 0.05, 0.05], [0.22, 0.13, 0.08], [0.42, 0.27, 0.16]])[rng.integers(3)]
    draws = rng.random(6)
    small = Small(
        watch=wrist * (draws[0] < 0.25),
        bracelet=-wrist * (draws[1] < (0.25 if female else 0.06)),
        necklace=bool(draws[2] < (0.25 if female else 0.04)) and collar not in ("high", "shirt"),
        earrings=bool(draws[3] < (0.45 if female else 0.03)),
        belt=leather if tucked and draws[4] < 0.6 else None,
        scarf=cloth if draws[5] < 0.05 else None,
        tie=cloth if collar == "shirt" and draws[5] > 0.8 else None,
    )
    return Accessories(spectacles, hat, bag, thing, small)


def with_grips(pose: Pose, choice: Accessories) -> Pose:
    """The pose with hands closed around what they hold: to be taken instead of the drawn one."""
    if choice.held is not None:
        pose = held.grip(pose, choice.held.kind, choice.held.side)
    if choice.bag is not None and choice.bag.kind in ("tote", "handbag"):
        pose = held.grip(pose, "bag", choice.bag.side)
    return pose


def dress(wearer: Wearer, choice: Accessories, waistband: Surface | None, rng: np.random.Generator) -> tuple[list[Item], Headwear | None]:
    """Everything made, and the headwear, which hair must know. waistband: the garment under a belt.

    What cannot be worn (a watch under a sleeve, a bag where an arm is) is left out.
    """
    items: list[Item] = []
    hat = headwear.make(wearer, choice.headwear) if choice.headwear else None
    if hat:
        items += hat.items
    if choice.glasses:
        items += glasses.make(wearer, choice.glasses)
    small = choice.small
    if small.belt is not None and waistband is not None:
        items += fitted.belt(wearer, waistband, small.belt, rng)
    if small.tie is not None:
        items += neckwear.tie(wearer, small.tie, rng)
    if small.scarf is not None:
        items += neckwear.scarf(wearer, small.scarf, rng)
    elif small.necklace:
        items += neckwear.necklace(wearer, rng)
    if small.earrings:
        items += fitted.earrings(wearer, rng)
    if small.watch:
        items += fitted.watch(wearer, small.watch, rng)
    if small.bracelet:
        items += fitted.bracelet(wearer, small.bracelet, rng)
    if choice.bag:
        items += bags.make(wearer, choice.bag)
    if choice.held:
        items += held.make(wearer, choice.held)
    return [replace(item, surface=item.surface.moved(np.round(item.surface.vertices, 6))) for item in items], hat


def _use(arm: Arm) -> str:
    """What an arm can do: `phone` holds one already, `hanging` carries, `bent` holds up, or `away`."""
    if arm.grip == "phone":
        return "phone"
    if arm.at or abs(arm.side) > 0.45:
        return "away"
    return "hanging" if arm.up < -0.85 else "bent" if -0.6 < arm.up < 0.0 and 0.35 < arm.forward < 0.75 else "away"


def _draw_held(rng: np.random.Generator, hands: dict[int, str], bag: BagChoice | None) -> HeldChoice | None:
    taken = bag.side if bag is not None and bag.kind in ("tote", "handbag") else 0
    bent = [side for side, use in hands.items() if use == "bent" and side != taken]
    down = [side for side, use in hands.items() if use == "hanging" and side != taken]
    draw, first = rng.random(), float(rng.random())
    for side, use in hands.items():
        if use == "phone":
            return held.draw_held(rng, "phone", side)
    for kind, share, sides in (("phone", PHONE, bent + down), ("cup", CUP, bent), ("book", BOOK, down)):
        if draw < share and sides:
            return held.draw_held(rng, kind, sides[int(first * len(sides))])
        draw -= share
    return None
