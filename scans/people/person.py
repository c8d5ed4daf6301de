"""One person from `(seed, index)`: drawn, shaped, posed, dressed, checked, and made into a mesh."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.mesh import Mesh, Part
from scans.people import beard, brows, hair, keypoints, labels, shoes, skin
from scans.people.accessories.choices import draw_accessories, dress, with_grips
from scans.people.accessories.headwear import Headwear
from scans.people.accessories.wearer import Wearer
from scans.people.body import Body, Shaped
from scans.people.dressing import UNDER_M, Dresser
from scans.people.expressions import draw_face, open_eyes
from scans.people.eyes import eye_uv
from scans.people.features import draw_features, featured
from scans.people.garments import inside
from scans.people.labels import Label
from scans.people.last import Misfit
from scans.people.looks import Looks, draw_looks
from scans.people.painting import chart_of, look_of
from scans.people.panels import cloth_uv, seamed
from scans.people.pieces import Piece, baked, clothing_labels, things
from scans.people.pose import PoseError, draw_pose, take
from scans.people.regions import regions
from scans.people.silhouette import hole
from scans.people.surface import Surface, keep_faces, merge, normals, triangulate
from scans.people.wanted import Wanted
from scans.people.wardrobe import Outfit, draw_outfit

STATURE_M = (1.3, 2.2)
SLIPPED_M, SLIPPED = 0.10, 0.03  # skin that far from cloth is bare; how much of what should be covered may be
PRESSED_M = 0.004  # how far skin gives way under an edge
ATTEMPTS = 10
DETAIL = {"draft": 0.25, "full": 1.0}  # of hair


class BadPerson(ValueError):
    """A person that fails a check; the message says which."""


@dataclass(frozen=True)
class Person:
    """A mesh in the canonical frame, and what the catalogue says of it; rejections: why earlier draws were thrown away."""

    mesh: Mesh
    height_m: float
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    head: tuple[float, float, float]
    head_radius: float
    keypoints: dict[str, list[float]]
    attributes: dict[str, Any]
    rejections: dict[str, int] = field(default_factory=dict)


class Studio:
    """What all people share: the body, its parts' fields and labels, the canvas of skin."""

    def __init__(self, texture: int, quality: str) -> None:
        """texture: edge of the atlas, texels. quality: draft or full."""
        self.body, self.texture, self.quality = Body(quality), texture, quality
        self.canvas = skin.Canvas(self.body)
        self.quads = triangulate(self.body.groups["body"])
        arm = self.body.weight_of("shoulder01", "upperarm", "lowerarm", "wrist", "finger", "metacarpal")
        arm = arm * np.clip((np.abs(self.body.template[:, 0]) - 0.10) / 0.06, 0, 1)  # shoulder blades are trunk
        self.body.parts["helper-tights"] = tights = seamed(self.body.parts["helper-tights"])
        at = {name: regions(self.body, part.template, part.matrix @ arm) for name, part in self.body.parts.items()}
        self.body.parts["helper-tights"] = replace(tights, uv=cloth_uv(at["helper-tights"], tights.faces))
        self.at = at["body"]
        weights = np.asarray(self.body.parts["helper-tights"].matrix @ self.body.bone_weights)
        self.dresser = Dresser(self.body, self.quads, at["helper-tights"], weights, quality)
        self.ears, self.lips = (self._at_vertices(skin.mask(name, 1024)) for name in ("ears", "lips"))
        self.labels = labels.skin(self.body, self.lips)
        self.keypoints = keypoints.regressor()
        self.lashes = brows.lash_rails(self.body)
        used = np.unique(self.quads)
        self.head = used[self.body.weight_of("head")[used] > 0.5]

    def _at_vertices(self, mask: Array) -> Array:
        """A mask's value at the vertices of the skin."""
        part = self.body.parts["body"]
        column, row = (np.clip((value * len(mask)).astype(int), 0, len(mask) - 1) for value in (part.uv[..., 0], 1 - part.uv[..., 1]))
        values = np.zeros(part.matrix.shape[0])
        np.maximum.at(values, part.faces, mask[row, column])
        return values

    def person(self, seed: int, index: int, wanted: Wanted) -> Person:
        """The person that (seed, index) stand for. Draws again, from the same generator, when a check fails.

        Raises BadPerson when ten draws fail.
        """
        rng = np.random.default_rng([seed, index])
        reasons: Counter[str] = Counter()
        for _ in range(ATTEMPTS):
            try:
                return replace(self._draw(rng, wanted), rejections=dict(reasons))
            except PoseError:
                reasons["a part of the body stays in another"] += 1
            except FloatingPointError as error:
                reasons[str(error)] += 1
            except (BadPerson, Misfit) as error:
                reasons[str(error)] += 1
        raise BadPerson(f"seed {seed}, index {index}: no draw of {ATTEMPTS} passed the checks: {sorted(reasons)}")

    def _draw(self, rng: np.random.Generator, wanted: Wanted) -> Person:
        looks = draw_looks(rng, wanted)
        outfit = draw_outfit(looks.sex, rng, wanted.garments)
        pose = draw_pose(rng, wanted.pose)
        collar = outfit.garments[-1].cut.collar
        choice = draw_accessories(rng, looks.sex, looks.age, bool(outfit.tucked), collar, looks.hair, pose)
        pose = with_grips(pose, choice)
        expression, face = draw_face(rng)
        shaped = self._shape(looks, face, rng)
        base, bones = take(shaped, pose)
        worn = self.dresser.dress(outfit, shaped, bones)
        heads = shaped.rest_bone_poses[0, :, :3, 3].numpy()
        wearer = Wearer.of(self.body, self.ears, heads, base, bones, list(worn.values()))
        feet = shoes.make(wearer, shoes.draw_shoes(rng, looks.sex, outfit.bare_legs), draft=self.quality == "draft")
        waistband = next(
            (worn[g.cut.kind] for g in outfit.garments if g.cut.name == "bottom" and g.cut.kind != "briefs" and not g.cut.length), None
        )
        items, hat = dress(wearer, choice, waistband, rng)
        pieces = self._bare(outfit, worn, base, feet.hidden(wearer))
        look = look_of(self.canvas, looks, outfit, rng)
        made = {
            "skin": Piece(pieces[0], chart_of(pieces[0], look["skin"], "skin"), pieces[1]),
            **{kind: Piece(cloth, chart_of(cloth, look[kind], kind), clothing_labels(kind, cloth)) for kind, cloth in worn.items()},
            **self._head(looks, look, base, worn, hat, rng),
            **things([*feet.items, *items]),
        }
        attributes = {
            "sex": looks.sex, "age": looks.age, "stature_m": round(looks.stature, 3), "monk_tone": round(looks.tone + 1, 1),
            "build": {name: round(looks.phenotype[name], 2) for name in ("weight", "muscle", "proportions")},
            "garments": outfit.names, "accessories": sorted({item.name.split()[0] for item in items}),
            "hair": f"{looks.hair_colour} {looks.hair}", "beard": looks.beard, "pose": pose.name, "pose_family": pose.family,
            "expression": expression,
        }  # fmt: skip
        return self._stand(baked(made, self.texture), base, attributes)

    def _shape(self, looks: Looks, face: dict[str, float], rng: np.random.Generator) -> Shaped:
        """A body of the drawn stature, with features of its own: anny's height slider is nearly linear, so two bodies find it."""
        offset = draw_features(self.body, rng)
        sliders = np.array([0.3, 0.6])
        used = np.unique(self.quads)
        bodies = [featured(self.body.shape({**looks.phenotype, "height": h}, {}), offset).rest_vertices[0].numpy() for h in sliders]
        statures = [np.ptp(rest[used, 2]) for rest in bodies]
        slider = float(np.clip(sliders[0] + (looks.stature - statures[0]) * np.diff(sliders)[0] / np.diff(statures)[0], 0, 1))
        lids = open_eyes(self.body, self.lashes, bodies[0], looks.age, rng)
        actions = {name: face.get(name, 0.0) + lids.get(name, 0.0) for name in {**face, **lids}}
        return featured(self.body.shape({**looks.phenotype, "height": round(slider, 6)}, actions), offset)

    def _bare(self, outfit: Outfit, worn: dict[str, Surface], base: Array, in_shoes: Array) -> tuple[Surface, Array]:
        """The skin that is not under clothes, with a rim below every edge that is pressed in a little; and its labels."""
        part = self.body.parts["body"]
        vertices = part.matrix @ base
        depth = np.max([inside(garment.cut, self.at) for garment in outfit.garments], axis=0)
        pressed = vertices - normals(vertices, part.faces) * np.clip(0.3 * depth, 0, PRESSED_M)[:, None]
        cloth = cKDTree(np.concatenate([surface.vertices for surface in worn.values()]))
        slipped = cloth.query(vertices, distance_upper_bound=SLIPPED_M)[0] > SLIPPED_M  # a sleeve was pushed up
        if (slipped & (depth > UNDER_M)).sum() > SLIPPED * (depth > UNDER_M).sum():
            raise BadPerson("a garment slips off")
        seen = (((depth < UNDER_M) | slipped) & (in_shoes < 0.02))[part.faces].any(axis=1)
        return keep_faces(Surface(pressed, part.faces, part.uv), seen), self.labels[seen]

    def _head(
        self, looks: Looks, look: dict[str, Any], base: Array, worn: dict[str, Surface], hat: Headwear | None, rng: np.random.Generator
    ) -> dict[str, Piece]:
        """Eyes, teeth, tongue, hair, beard, brows and lashes."""
        parts, detail = self.body.parts, DETAIL[self.quality]
        part = parts["body"]
        vertices = part.matrix @ base
        grown = hair.Skin(vertices, normals(vertices, part.faces), part.faces, part.template, self.ears)
        clothes = [
            np.concatenate([cloth.vertices for cloth in worn.values()]),
            np.concatenate([cloth.attributes["normal"] for cloth in worn.values()]),
        ]
        styled = hair.grow(looks.hair, grown, (clothes[0], clothes[1]), rng, detail=detail, recession=looks.recession, crown=looks.crown)
        if hat:
            styled = [_under(hat, piece) for piece in styled]
        groups: list[tuple[str, list[Surface], Label, str]] = [
            ("hair", styled, Label.HAIR, "hair"),
            ("beard", beard.grow_beard(looks.beard, grown, self.lips, rng, detail=detail) if looks.beard else [], Label.BEARD, "hair"),
            ("brows", brows.grow_brows_and_lashes(grown, [base[rails] for rails in self.lashes], rng, bushy=looks.brows, detail=detail),
             Label.BROWS_LASHES, "hair"),
            ("upper teeth", [self._inner("helper-upper-teeth", base)], Label.UPPER_TEETH, "teeth"),
            ("lower teeth", [self._inner("helper-lower-teeth", base)], Label.LOWER_TEETH, "teeth"),
            ("tongue", [self._inner("helper-tongue", base)], Label.TONGUE, "tongue"),
            ("eyes", [Surface(parts[f"helper-{side}-eye"].matrix @ base, parts[f"helper-{side}-eye"].faces,
                              eye_uv(parts[f"helper-{side}-eye"].template, parts[f"helper-{side}-eye"].faces)) for side in "lr"],
             Label.EYES, "eyes"),
        ]  # fmt: skip
        made = {}
        for name, surfaces, label, painted in groups:
            surfaces = [surface for surface in surfaces if len(surface.faces)]
            if surfaces:
                whole = merge(surfaces)
                made[name] = Piece(whole, chart_of(whole, look[painted], painted), labels.whole(label, whole.faces))
        return made

    def _inner(self, name: str, base: Array) -> Surface:
        part = self.body.parts[name]
        return Surface(part.matrix @ base, part.faces, part.uv)

    def _stand(self, parts: list[Part], base: Array, attributes: dict[str, Any]) -> Person:
        """Put a person on z = 0 over the origin, and check the whole."""
        everything = np.concatenate([part.vertices for part in parts])
        if not np.isfinite(everything).all():
            raise BadPerson("vertices are not finite")
        low, high = everything.min(axis=0), everything.max(axis=0)
        shift = np.array([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])
        if not high[2] - low[2] < STATURE_M[1]:
            raise BadPerson(f"taller than {STATURE_M[1]} m")
        if low[2] < base[:, 2].min() - 0.08:
            raise BadPerson("something reaches below the shoes")
        head = base[self.head] + shift
        centre, radius = (head.min(axis=0) + head.max(axis=0)) / 2, float(np.ptp(head[:, 2]) / 2)
        placed = [replace(part, vertices=np.round(part.vertices + shift, 6)) for part in parts]
        if inside_out := hole(placed):
            raise BadPerson(f"{inside_out} is seen from the inside")
        points = keypoints.named(self.keypoints @ base + shift)
        bounds = (_point(low + shift), _point(high + shift))
        return Person(Mesh(placed), float(high[2] - low[2]), bounds, _point(centre), round(radius, 4), points, attributes)


def _under(hat: Headwear, piece: Surface) -> Surface:
    """Hair that a hat presses, without what is out of sight below it."""
    seen = (hat.level(piece.vertices)[piece.faces] < 0.02).any(axis=1)
    kept = keep_faces(piece, seen)
    return kept.moved(hat.press(kept.vertices)) if len(kept.faces) else kept


def _point(values: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 5) for value in values)
    return x, y, z
