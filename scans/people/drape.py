"""Cloth falls onto a posed body: Newton's Style3D solver (projective dynamics, on CPU or GPU), settled until it hangs."""

import contextlib
import io
from dataclasses import dataclass

import newton
import numpy as np
import warp
from newton.solvers import SolverStyle3D, style3d

from datasets.conventions import Array

warp.config.log_level = warp.LOG_WARNING  # not its greeting, nor every kernel

STEP_S = 0.01
RADIUS_M = 0.004  # cloth keeps this far from what it lies on
GRIP = 0.3  # friction
REACH_M = 0.03  # deeper inside a body, cloth is not pushed out again
TORN = 2.0  # how much longer a hundredth of the threads may become
DRAG = 0.97  # of the speed that is left after a step: cloth comes to rest in half a second


@dataclass(frozen=True)
class Weave:
    """How cloth moves: density kg/m2, stretch N/m, bend N m (jersey 1e-5, denim 1e-4)."""

    density: float
    stretch: float
    bend: float


@dataclass(frozen=True)
class Scene:
    """What cloth lies on while the body moves into its pose: vertices (T,N,3), metres, and faces (M,3)."""

    vertices: Array
    faces: Array

    def points(self, frame: int) -> Array:
        """Vertices (N+2,3) of a frame. The last two, of no face, are the corners of the whole motion's box, which Newton computes once."""
        corners = np.stack([self.vertices.min(axis=(0, 1)), self.vertices.max(axis=(0, 1))])
        return np.concatenate([self.vertices[frame], corners]).astype(np.float32)

    def over(self, path: Array, faces: Array, rim: Array, skin: Array) -> "Scene":
        """With a garment on top that moved along path (T,V,3). Its open edges rim (E,2) are closed toward the vertices skin (E,2) of the
        body: beside an open edge it could not be told which side is inside."""
        first = self.vertices.shape[1]
        a, b = (first + rim).T
        c, d = skin.T
        flaps = np.concatenate([np.stack([b, a, c], axis=1), np.stack([b, c, d], axis=1)])
        flaps = flaps[(flaps != np.roll(flaps, 1, axis=1)).all(axis=1)]
        return Scene(np.concatenate([self.vertices, path], axis=1), np.concatenate([self.faces, faces + first, flaps]))


@dataclass(frozen=True)
class Threads:
    """How much longer cloth is than its form, per vertex (V,): along the grain (V,3; unit vectors on the form) and around."""

    grain: Array
    along: Array
    around: Array


def drape(forms: Array, faces: Array, threads: Threads, pinned: Array, weave: Weave, scene: Scene, settle: int) -> Array:
    """How cloth moves with the body and comes to rest: its vertices (T,V,3); the last are after `settle` more steps.

    forms (T,V,3): the garment carried along stiffly by the bones, metres, +Z up; the first is what it was cut on. pinned (V,): what
    stays with its form. The solver is Newton's Style3D. Raises FloatingPointError when cloth explodes.
    """
    solver, body = _solver(forms[0], faces, threads, pinned, weave, scene)
    model = solver.model
    now, after = model.state(), model.state()
    pipeline = newton.CollisionPipeline(model, soft_contact_gap=REACH_M)
    contacts = pipeline.contacts()
    path = [forms[0]]
    for frame in [*range(1, len(forms)), *[len(forms) - 1] * settle]:
        if len(path) < len(forms):
            body.mesh.points.assign(scene.points(frame))
            body.mesh.refit()
            now.particle_q.assign((now.particle_q.numpy() + forms[frame] - forms[frame - 1]).astype(np.float32))
        pipeline.collide(now, contacts)
        solver.step(now, after, None, contacts, STEP_S)
        now, after = after, now
        now.particle_qd.assign(DRAG * now.particle_qd.numpy())
        if len(path) < len(forms):
            path.append(now.particle_q.numpy().astype(float))
    path[-1] = now.particle_q.numpy().astype(float)
    edges = [np.linalg.norm(place[faces] - place[np.roll(faces, 1, axis=1)], axis=2) for place in (path[-1], forms[0])]
    if not np.quantile(edges[0] / np.maximum(edges[1], 1e-3), 0.99) < TORN:
        raise FloatingPointError("cloth tears or explodes")
    return np.stack(path)


def _solver(form: Array, faces: Array, threads: Threads, pinned: Array, weave: Weave, scene: Scene) -> tuple[SolverStyle3D, newton.Mesh]:
    """A solver that holds the garment on its form, and the collider, whose points may be moved."""
    builder = newton.ModelBuilder(up_axis=newton.Axis.Z)
    SolverStyle3D.register_custom_attributes(builder)
    stiffness = warp.vec3(weave.stretch, weave.stretch, weave.stretch / 10)
    style3d.add_cloth_mesh(
        builder, pos=warp.vec3(), rot=warp.quat_identity(), vel=warp.vec3(), vertices=form.tolist(), indices=faces.reshape(-1).tolist(),
        panel_verts=_flat(form, faces, threads).tolist(), panel_indices=np.arange(3 * len(faces)).tolist(),
        density=weave.density, tri_aniso_ke=stiffness, edge_aniso_ke=warp.vec3(weave.bend), particle_radius=RADIUS_M,
    )  # fmt: skip
    body = newton.Mesh(scene.points(0), scene.faces.reshape(-1), compute_inertia=False)
    builder.add_shape_mesh(body=-1, mesh=body)
    model = builder.finalize(device="cpu")
    flags = model.particle_flags.numpy()
    flags[pinned] &= ~int(newton.ParticleFlags.ACTIVE)
    model.particle_flags.assign(flags)
    model.soft_contact_ke, model.soft_contact_kd, model.soft_contact_mu = 10.0, 1e-5, GRIP
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how long it takes
        solver = SolverStyle3D(model, config=SolverStyle3D.Config(iterations=4))
    solver.collision.stiff_vf = solver.collision.stiff_ee = solver.collision.stiff_ef = 0.0  # cloth on itself costs five times all else
    return solver, body


def _flat(form: Array, faces: Array, threads: Threads) -> Array:
    """Every triangle as it was cut, laid flat, (3F,2): its first edge along x."""
    grain, along, around = (values[faces].mean(axis=1) for values in (threads.grain, threads.along, threads.around))
    sides = form[faces[:, 1:]] - form[faces[:, :1]]
    lengthwise = np.einsum("fki,fi->fk", sides, grain)[..., None] * grain[:, None]
    first, second = np.moveaxis(sides * around[:, None, None] + lengthwise * (along - around)[:, None, None], 1, 0)
    length = np.maximum(np.linalg.norm(first, axis=1), 1e-9)
    ahead = np.einsum("fi,fi->f", first, second) / length
    across = np.linalg.norm(np.cross(first, second), axis=1) / length
    corners = np.stack([np.zeros((len(faces), 2)), np.stack([length, 0 * length], axis=1), np.stack([ahead, across], axis=1)], axis=1)
    return corners.reshape(-1, 2)
