"""One person from `(seed, index)`: drawn, shaped, posed, dressed, checked, and made into a mesh."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from datasets.conventions import Array
from scans.mesh import WHITE, Material, Mesh, Part, Picture
from scans.people import cloth, garments, hair, skin
from scans.people.body import Body, Shaped
from scans.people.pose import PoseError, draw_face, draw_pose, take
from scans.people.regions import Regions, regions
from scans.people.surface import Surface, keep_faces, normals, triangulate
from scans.people.wardrobe import Looks, Outfit, describe, draw_looks, draw_outfit

STATURE_M = (1.3, 2.2)
UNDER_M = 0.05  # skin that stays under a garment's edge
ATTEMPTS = 10


class BadPerson(ValueError):
    """A person that fails a check; the message says which."""


@dataclass(frozen=True)
class Person:
    """A mesh in the canonical frame, and what the catalogue says of it."""

    mesh: Mesh
    height_m: float
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    head: tuple[float, float, float]
    head_radius: float
    attributes: dict[str, Any]


class Studio:
    """What all people share: the body, the fields of its parts, and the canvas for skin of `texture` texels."""

    def __init__(self, texture: int) -> None:
        self.body = Body()
        self.texture = texture
        self.canvas = skin.Canvas(self.body, texture)
        arm = self.body.weight_of("shoulder01", "upperarm", "lowerarm", "wrist", "finger", "metacarpal")
        arm = arm * np.clip((np.abs(self.body.template[:, 0]) - 0.10) / 0.06, 0, 1)  # shoulder blades are trunk
        names = ("body", *garments.PART.values())
        self.regions: dict[str, Regions] = {
            name: regions(self.body, self.body.parts[name].template, self.body.parts[name].matrix @ arm) for name in names
        }
        self.skin_quads = triangulate(self.body.groups["body"])
        self.ears, self.lips = (self._at_vertices(skin.mask(name, 1024)) for name in ("ears", "lips"))  # shape knows no texture size
        self.eyes = {name: skin.eye_uv(p.template, p.faces) for name, p in self.body.parts.items() if name.endswith("eye")}
        self.head = np.unique(self.skin_quads)[self.body.weight_of("head")[np.unique(self.skin_quads)] > 0.5]

    def _at_vertices(self, mask: Array) -> Array:
        """A mask's value at the vertices of the skin."""
        part = self.body.parts["body"]
        column, row = (np.clip((value * len(mask)).astype(int), 0, len(mask) - 1) for value in (part.uv[..., 0], 1 - part.uv[..., 1]))
        values = np.zeros(part.matrix.shape[0])
        np.maximum.at(values, part.faces, mask[row, column])
        return values

    def person(self, seed: int, index: int) -> Person:
        """The person that (seed, index) stand for. Draws again, from the same generator, when a check fails.

        Raises BadPerson when ten draws fail.
        """
        rng = np.random.default_rng([seed, index])
        reasons = []
        for _ in range(ATTEMPTS):
            try:
                return self._draw(rng)
            except (BadPerson, PoseError) as error:
                reasons.append(str(error))
        raise BadPerson(f"seed {seed}, index {index}: no draw of {ATTEMPTS} passed the checks: {sorted(set(reasons))}")

    def _draw(self, rng: np.random.Generator) -> Person:
        looks = draw_looks(rng)
        outfit = draw_outfit(looks.sex, rng)
        pose = draw_pose(rng)
        expression, face = draw_face(rng)
        shaped = self._shape(looks, face)
        base, bones = take(shaped, pose)
        worn = self._dress(outfit, shaped, base, bones, rng)
        bare, hidden = self._bare_skin(outfit, base, looks.hair != "shaved")
        _check_layers(bare, hidden, worn)
        surfaces = {"skin": bare, **worn, **self._head_parts(looks, base, worn, rng)}
        parts = _finish(surfaces, self._textures(looks, outfit, rng))
        attributes = {
            "sex": looks.sex, "age": looks.age, "stature_m": round(looks.stature, 3), "monk_tone": round(looks.tone + 1, 1),
            "build": {name: round(looks.phenotype[name], 2) for name in ("weight", "muscle", "proportions")},
            "garments": describe(outfit), "hair": f"{looks.hair_colour} {looks.hair}", "beard": looks.beard > 0,
            "pose": pose.name, "expression": expression,
        }  # fmt: skip
        return _stand(Mesh(parts), base[self.head], attributes)

    def _shape(self, looks: Looks, face: dict[str, float]) -> Shaped:
        """A body of the drawn stature: anny's height slider is nearly linear, so two bodies find it."""
        sliders = np.array([0.3, 0.6])
        used = np.unique(self.skin_quads)
        statures = [np.ptp(self.body.shape({**looks.phenotype, "height": h}, {}).rest_vertices[0, used, 2].numpy()) for h in sliders]
        slider = float(np.clip(sliders[0] + (looks.stature - statures[0]) * np.diff(sliders)[0] / np.diff(statures)[0], 0, 1))
        return self.body.shape({**looks.phenotype, "height": round(slider, 6)}, face)

    def _dress(self, outfit: Outfit, shaped: Shaped, base: Array, bones: Array, rng: np.random.Generator) -> dict[str, Surface]:
        used = np.unique(self.skin_quads)
        naked = garments.Solid(base[used], normals(base, self.skin_quads)[used], self.body.template[used])
        worn: dict[str, Surface] = {}
        for cut in outfit.cuts:
            beneath = [] if cut.name == "shoes" else list(worn.values())
            worn[cut.name] = garments.make(cut, self.body, base, self.regions[garments.PART[cut.name]], naked, beneath, rng)
        ankles = {side: bones[self.body.labels.index(f"foot.{name}")] for side, name in ((1.0, "L"), (-1.0, "R"))}
        floor = min(float(shaped.rest_vertices[0, self.body.soles[side], 2].min()) for side in "LR")
        worn["shoes"] = garments.soled(worn["shoes"], ankles, floor, rng.uniform(0.012, 0.03))
        return worn

    def _bare_skin(self, outfit: Outfit, base: Array, covered: bool) -> tuple[Surface, dict[str, Array]]:
        """The skin that is not under clothes nor, where the head is `covered`, under hair, with a rim
        below every edge that is pressed in a little.

        Also returns, per garment, how far (m) inside its outline the remaining vertices are.
        """
        part = self.body.parts["body"]
        vertices = part.matrix @ base
        normal = normals(vertices, part.faces)
        depths = {cut.name: garments.inside(cut, self.regions["body"]) for cut in outfit.cuts}
        scalp = hair.hairline(part.template) + UNDER_M - 0.03 if covered else np.full(len(vertices), -1.0)
        under = np.max([scalp, *(depth - (0.15 if name == "skirt" else 0) for name, depth in depths.items())], axis=0)
        pressed = vertices - normal * np.clip(0.3 * np.max(list(depths.values()), axis=0), 0, 0.004)[:, None]
        whole = Surface(pressed, part.faces, part.uv, {"normal": normal, "position": part.template, **depths})
        bare = keep_faces(whole, (under[part.faces] < UNDER_M).any(axis=1))
        return bare, {name: bare.attributes[name] for name in depths}

    def _head_parts(self, looks: Looks, base: Array, worn: dict[str, Surface], rng: np.random.Generator) -> dict[str, Surface]:
        """Eyes, teeth, tongue, hair and beard."""
        parts = self.body.parts
        pieces: dict[str, list[Surface]] = {
            "eyes": [Surface(parts[name].matrix @ base, parts[name].faces, uv) for name, uv in self.eyes.items()],
            "teeth": [Surface(p.matrix @ base, p.faces, p.uv) for name, p in parts.items() if name.endswith("teeth")],
            "tongue": [Surface(parts["helper-tongue"].matrix @ base, parts["helper-tongue"].faces, parts["helper-tongue"].uv)],
        }
        part = parts["body"]
        vertices = part.matrix @ base
        grown = hair.Skin(vertices, normals(vertices, part.faces), part.faces, part.template, self.ears)
        top = worn["top"]
        pieces["hair"] = hair.grow(looks.hair, grown, (top.vertices, top.attributes["normal"]), rng)
        if looks.beard:
            pieces["hair"].append(hair.grow_beard(looks.beard, grown, self.lips, rng))
        return {name: _merge(group) for name, group in pieces.items() if group}

    def _textures(self, looks: Looks, outfit: Outfit, rng: np.random.Generator) -> dict[str, tuple[Array, float, float]]:
        """Material -> (texture, roughness, metres per tile)."""
        shade = np.array(cloth.HAIR_COLOURS[looks.hair_colour]) * rng.uniform(0.85, 1.15)
        beard = max(looks.stubble, 0.9 * (looks.beard > 0))
        scalp = 0.55 if looks.hair == "shaved" else 0.9
        tile = self.texture // 2
        painted = skin.paint(self.canvas, looks.tone, shade, beard, scalp, looks.age, rng)
        iris = skin.IRISES[rng.integers(len(skin.IRISES)) if looks.tone < 4 else rng.choice([0, 1, 6])]
        made = {
            "skin": (painted, rng.uniform(0.42, 0.6), 1.0),
            "eyes": (skin.eye(iris, rng), 0.12, 1.0),
            "teeth": (cloth.flat((0.82, 0.78, 0.70), rng), 0.3, 1.0),
            "tongue": (cloth.flat((0.55, 0.25, 0.24), rng), 0.4, 1.0),
            "hair": (cloth.hair(shade, tile, rng), 0.55, cloth.TILE_M["hair"]),
        }
        for name, (pattern, first, second) in outfit.dyes.items():
            if name == "shoes":
                made[name] = (cloth.shoe(first, second, tile // 2, rng), rng.uniform(0.35, 0.7), 1.0)
            else:
                made[name] = (cloth.cloth(pattern, first, second, tile, rng), rng.uniform(0.75, 0.95), cloth.TILE_M["cloth"])
        return made


def _merge(surfaces: list[Surface]) -> Surface:
    offsets = np.cumsum([0, *(len(s.vertices) for s in surfaces[:-1])])
    faces = np.concatenate([s.faces + offset for s, offset in zip(surfaces, offsets, strict=True)])
    return Surface(np.concatenate([s.vertices for s in surfaces]), faces, np.concatenate([s.uv for s in surfaces]))


def _finish(surfaces: dict[str, Surface], textures: dict[str, tuple[Array, float, float]]) -> list[Part]:
    """Parts, one a material, in which a vertex is doubled only where the texture has a seam."""
    made = []
    for name, surface in surfaces.items():
        texture, roughness, tile = textures[name]
        uv = surface.uv / tile
        spots = np.round((uv - uv.min(axis=(0, 1))) * 4096).astype(np.int64)
        key = (surface.faces.astype(np.int64) << 40) | (spots[..., 0] << 20) | spots[..., 1]
        _, first, faces = np.unique(key.reshape(-1), return_index=True, return_inverse=True)
        vertices = surface.vertices[surface.faces.reshape(-1)[first]]
        material = Material(WHITE, _jpeg(texture), roughness=roughness)
        made.append(Part(vertices, faces.reshape(-1, 3), material, uv.reshape(-1, 2)[first], name=name))
    return made


def _jpeg(image: Array) -> Picture:
    ok, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 93])
    if not ok:
        raise ValueError(f"cannot encode a texture of shape {image.shape}, {image.dtype}")
    return Picture(data.tobytes(), "image/jpeg")


def _check_layers(bare: Surface, hidden: dict[str, Array], worn: dict[str, Surface]) -> None:
    """Raise BadPerson where the skin under a garment's edge comes out of the garment."""
    for name, depth in hidden.items():
        rim = (depth > 0.01) & (depth < UNDER_M)
        if not rim.any():
            continue
        distance, height = garments.Solid.of(worn[name]).nearest(bare.vertices[rim], bare.attributes["position"][rim], 1)
        height, distance = height[:, 0], distance[:, 0]
        out = (height > 0.003) & (distance < 0.05)
        if out.mean() > 0.02:
            raise BadPerson(
                f"{out.mean():.1%} of the skin under the edge of the {name} comes through, by up to {height[out].max() * 1000:.0f} mm"
            )


def _stand(mesh: Mesh, head: Array, attributes: dict[str, Any]) -> Person:
    """Put a person on z = 0 over the origin, and check the whole."""
    everything = mesh.vertices
    if not np.isfinite(everything).all():
        raise BadPerson("vertices are not finite")
    low, high = everything.min(axis=0), everything.max(axis=0)
    shift = np.array([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])
    height = float(high[2] - low[2])
    if not STATURE_M[0] < height < STATURE_M[1]:
        raise BadPerson(f"height {height:.2f} m is outside {STATURE_M}")
    shoes = next(part.vertices for part in mesh.parts if part.name == "shoes")
    if shoes[:, 2].min() > low[2] + 1e-6:
        raise BadPerson("something reaches below the shoes")
    parts = [replace(part, vertices=np.round(part.vertices + shift, 6)) for part in mesh.parts]
    head = head + shift
    centre = (head.min(axis=0) + head.max(axis=0)) / 2
    radius = float(np.ptp(head[:, 2]) / 2)
    return Person(Mesh(parts), height, (_point(low + shift), _point(high + shift)), _point(centre), round(radius, 4), attributes)


def _point(values: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 5) for value in values)
    return x, y, z
