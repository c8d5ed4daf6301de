"""Getting dressed: garments one over the other, in the rest shape first, then along the body's way into its pose."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.body import Body, Shaped
from scans.people.drape import Scene, Threads, drape
from scans.people.edging import hemmed, outside, shell
from scans.people.garments import inside
from scans.people.regions import Regions
from scans.people.seams import edge_ends
from scans.people.surface import Surface, keep_faces, normals
from scans.people.tailoring import Solid, carried, form, stand_off
from scans.people.wardrobe import Outfit

#: Quality -> frames of the body's way into its pose, and steps in which cloth settles after that.
STEPS = {"draft": (9, 26), "full": (36, 70)}
LONG_M = 0.2  # what hangs farther settles twice as long
LAYER_M = 0.005  # of one layer from the next
UNDER_M = 0.05  # what stays of a layer under another one's edge


@dataclass(frozen=True)
class Dresser:
    """What all people's clothes share: the body, the skin's triangles, the tights' fields and bone weights."""

    body: Body
    quads: Array
    at: Regions
    weights: Array
    quality: str

    def dress(self, outfit: Outfit, shaped: Shaped, bones: Array) -> dict[str, Surface]:
        """Kind of garment -> where it hangs, innermost first. Raises FloatingPointError when cloth explodes."""
        frames, settle = STEPS[self.quality]
        motion = shaped.motion(bones, frames)
        rest = shaped.rest_vertices[0].numpy()
        used, faces = np.unique(self.quads, return_inverse=True)
        faces = faces.reshape(-1, 3)
        skin = Solid(rest[used], normals(rest, self.quads)[used], self.body.template[used], faces)
        scene = Scene(np.stack([shaped.skin(transforms)[used] for transforms in motion]), faces)
        part = self.body.parts["helper-tights"]
        tights = part.matrix @ (self.body.cloth_smoothing @ rest)
        near = cKDTree(skin.vertices)
        forms: list[Surface] = []
        hung: dict[str, Surface] = {}
        for garment in outfit.garments:
            cloth = form(garment.cut, part, self.at, tights, self.weights, skin, forms)
            way = carried(cloth, motion)
            path = drape(
                way,
                cloth.faces,
                Threads(*(cloth.attributes[name] for name in ("grain", "along", "around"))),
                cloth.attributes["pinned"],
                garment.move,
                scene,
                settle * (1 + (garment.cut.length > LONG_M)),
            )
            forms.append(cloth)
            hung[garment.cut.kind] = cloth.moved(path[-1])
            if garment.cut.kind != outfit.tucked:
                rim = edge_ends(cloth.faces)
                scene = scene.over(path, cloth.faces, rim, near.query(cloth.vertices[rim])[1])
        posed = scene.vertices[-1][: len(used)]
        return self._finished(outfit, hung, Solid(posed, normals(posed, faces), skin.template, faces))

    def _finished(self, outfit: Outfit, hung: dict[str, Surface], body: Solid) -> dict[str, Surface]:
        """Layers out of each other, their edges finished, without what is out of sight. body: the posed skin."""
        shells: list[Surface] = []
        solids: list[Solid] = []
        for garment, cloth in zip(outfit.garments, hung.values(), strict=True):
            for under in solids:
                cloth = cloth.moved(stand_off(cloth, np.full(len(cloth.vertices), LAYER_M), under, reach=0.02))
            shells.append(shell(garment.cut, cloth, body, solids))
            solids.append(outside(shells[-1], body))
        done: dict[str, Surface] = {}
        for number, (garment, finished) in enumerate(zip(outfit.garments, shells, strict=True)):
            cloth = hemmed(finished)
            at = Regions(**{name: cloth.attributes[name] for name in vars(self.at)})
            hidden = [inside(over.cut, at) for over in outfit.garments[number + 1 :]]
            depth = np.max([*hidden, np.full(len(cloth.vertices), -1.0)], axis=0)
            depth[cloth.attributes.get("extended", depth > np.inf)] = -1.0  # what hangs free is nowhere on the template
            done[garment.cut.kind] = keep_faces(cloth, (depth[cloth.faces] < UNDER_M).any(axis=1))
        return done
