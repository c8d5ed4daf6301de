"""Ground truth by rasterising a mesh at any pinhole, skew included: depth, smooth normals, instance ids and coverage.

One draw gives planar depth and normals in float32 and the instance id, of the surface at each pixel's centre, never blended.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from OpenGL import GL

from datasets.conventions import NORMAL_FROM_CAMERA, Array
from render import opengl
from scans.mesh import smooth_normals

FINE = 4  # coverage counts FINE x FINE samples a pixel, on a regular grid
MARGIN = 2  # pixels around the vertices' box
NEAREST_M = 1e-3  # a surface nearer to the camera's plane is cut away

VERTEX = """#version 330 core
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
uniform mat4 clip_from_world;
uniform mat3 label_from_world;
out vec3 smooth_normal;
out float depth;
void main() {
    gl_Position = clip_from_world * vec4(position, 1.0);
    smooth_normal = label_from_world * normal;
    depth = gl_Position.w;
}"""

SURFACE = """#version 330 core
in vec3 smooth_normal;
in float depth;
uniform uint person;
layout(location = 0) out vec4 surface;
layout(location = 1) out uint mask;
void main() {
    surface = vec4(normalize(gl_FrontFacing ? smooth_normal : -smooth_normal), depth);
    mask = person;
}"""

COVERAGE = """#version 330 core
out vec4 covered;
void main() { covered = vec4(1.0); }"""


@dataclass(frozen=True)
class Labels:
    """What a camera sees of a mesh, all (H,W,...); zeros beside it.

    mask: uint8, id of the face at the pixel's centre. depth: float32, planar, metres. normal (...,3): float32, unit, axes of the
    normal convention, of the side that faces the camera. alpha: uint8, the covered share of FINE x FINE samples of pixels at
    the mask's outline (they or a neighbour are on its other side); elsewhere as the mask.
    """

    mask: Array
    alpha: Array
    depth: Array
    normal: Array


@dataclass(frozen=True)
class View:
    """The part of a frame that a mesh can reach: its box in pixels, and in it, with the top row first, where the mesh is.

    places (2,V): image coordinates of the vertices, in the box. before (V,): whether they are before the camera.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    places: Array
    before: Array
    clip_from_world: Array

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the box."""
        return self.x1 - self.x0, self.y1 - self.y0


class Raster:
    """A mesh in graphics memory, rasterised from any number of cameras. Use as a context manager."""

    def __init__(self) -> None:
        opengl.begin()
        self.surface, self.coverage = (opengl.program(VERTEX, fragment) for fragment in (SURFACE, COVERAGE))
        self.vertex_array, self.buffers = GL.glGenVertexArrays(1), GL.glGenBuffers(4)
        self.whole = opengl.Target((GL.GL_RGBA32F, GL.GL_R8UI), depth_test=True)
        self.fine = opengl.Target((GL.GL_R8,), depth_test=False)
        GL.glFrontFace(GL.GL_CW)  # the top row comes first, which mirrors what OpenGL sees

    def __enter__(self) -> "Raster":
        return self

    def __exit__(self, *_: object) -> None:
        opengl.enter()
        for target in (self.whole, self.fine):
            target.delete()
        for program in (self.surface, self.coverage):
            GL.glDeleteProgram(program)
        GL.glDeleteBuffers(len(self.buffers), self.buffers)
        GL.glDeleteVertexArrays(1, [self.vertex_array])

    def load(self, vertices: Array, faces: Array, ids: Array | None = None) -> None:
        """Take a mesh in metres: vertices (V,3), faces (F,3), and of each face its instance id (F,), 1 to 255; without, all are 1.

        Normals are recomputed as everywhere in the house (`scans.mesh.smooth_normals`).
        """
        ids = np.ones(len(faces), np.uint8) if ids is None else np.asarray(ids)
        order = np.argsort(ids, kind="stable")
        self.ids, first = np.unique(ids[order], return_index=True)
        self.parts = list(zip(self.ids.tolist(), first.tolist(), np.diff([*first, len(faces)]).tolist(), strict=True))
        self.vertices, self.faces = np.asarray(vertices, np.float64), np.asarray(faces)[order].astype(np.uint32)
        opengl.enter()
        GL.glBindVertexArray(self.vertex_array)
        for place, values in enumerate((self.vertices, smooth_normals(self.vertices, faces))):
            opengl.fill(GL.GL_ARRAY_BUFFER, self.buffers[place], values.astype(np.float32))
            GL.glEnableVertexAttribArray(place)
            GL.glVertexAttribPointer(place, 3, GL.GL_FLOAT, False, 0, None)
        opengl.fill(GL.GL_ELEMENT_ARRAY_BUFFER, self.buffers[2], self.faces)

    def render(self, K: Array, world_to_camera: Array, height: int, width: int) -> Labels:
        """What a camera sees: K (3,3) pixels, with skew or without; world_to_camera (4,4) rigid, OpenCV axes."""
        size = (height, width)
        mask, alpha = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        labels = Labels(mask, alpha, depth=np.zeros(size, np.float32), normal=np.zeros((*size, 3), np.float32))
        view = _view(self.vertices, np.asarray(K, np.float64), np.asarray(world_to_camera, np.float64), height, width)
        if view is not None:
            opengl.enter()
            GL.glBindVertexArray(self.vertex_array)
            cut = np.s_[view.y0 : view.y1, view.x0 : view.x1]
            mask[cut], surface = self._surface(view, NORMAL_FROM_CAMERA @ world_to_camera[:3, :3])
            labels.depth[cut], labels.normal[cut] = surface[..., 3], surface[..., :3]
            alpha[cut] = self._alpha(view, mask[cut] > 0)
        return labels

    def _surface(self, view: View, label_from_world: Array) -> tuple[Array, Array]:
        """Of the view's box the mask (h,w), and normal and depth (h,w,4)."""
        self.whole.begin(*view.size)
        _use(self.surface, view)
        GL.glUniformMatrix3fv(opengl.uniform(self.surface, "label_from_world"), 1, True, label_from_world.astype(np.float32))
        for number, first, count in self.parts:
            GL.glUniform1ui(opengl.uniform(self.surface, "person"), number)
            opengl.draw(first, count)
        return self.whole.read(1, GL.GL_RED_INTEGER, np.uint8), self.whole.read(0, GL.GL_RGBA, np.float32)

    def _alpha(self, view: View, inside: Array) -> Array:
        """Coverage (h,w) of the view's box. Triangles cost more than pixels, so only those at the outline are drawn once more."""
        outline = cv2.morphologyEx(inside.view(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        faces = self.faces[_touching(outline, view, self.faces)]
        width, height = view.size
        self.fine.begin(FINE * width, FINE * height)
        _use(self.coverage, view)
        opengl.fill(GL.GL_ELEMENT_ARRAY_BUFFER, self.buffers[3], faces)
        opengl.draw(0, len(faces))
        GL.glBindBuffer(GL.GL_ELEMENT_ARRAY_BUFFER, self.buffers[2])
        share = cv2.resize(self.fine.read(0, GL.GL_RED, np.uint8), (width, height), interpolation=cv2.INTER_AREA)
        return np.where(outline > 0, share, inside * np.uint8(255))


def _use(program: int, view: View) -> None:
    GL.glUseProgram(program)
    GL.glUniformMatrix4fv(opengl.uniform(program, "clip_from_world"), 1, True, view.clip_from_world.astype(np.float32))


def _view(vertices: Array, K: Array, world_to_camera: Array, height: int, width: int) -> View | None:
    """Where vertices (V,3) are in a frame; None where they are not."""
    x, y, z = vertices.T
    # No matrix product: its threads would spin on after it.
    points = np.stack([a * x + b * y + c * z + d for a, b, c, d in K @ world_to_camera[:3]])
    depth = points[2]
    before = depth > NEAREST_M
    if not before.any():
        return None
    places = points[:2] / np.where(before, depth, np.inf)
    x0, y0, x1, y1 = 0, 0, width, height
    if before.all():  # else a face crosses the camera's plane, and reaches anywhere
        x0, y0 = np.maximum(np.floor(places.min(axis=1)).astype(int) - MARGIN, 0).tolist()
        x1, y1 = np.minimum(np.ceil(places.max(axis=1)).astype(int) + MARGIN, [width, height]).tolist()
    if x0 >= x1 or y0 >= y1:
        return None
    near, far = max(0.999 * depth.min(), NEAREST_M), 1.001 * depth.max()
    clip = np.zeros((4, 4))
    clip[0, :3] = 2 * (K[0] - [0, 0, x0]) / (x1 - x0) - [0, 0, 1]
    clip[1, :3] = 2 * (K[1] - [0, 0, y0]) / (y1 - y0) - [0, 0, 1]
    clip[2, 2:] = (far + near) / (far - near), -2 * far * near / (far - near)
    clip[3, 2] = 1
    return View(x0, y0, x1, y1, places - [[x0], [y0]], before, clip @ world_to_camera)


def _touching(outline: Array, view: View, faces: Array) -> Array:
    """The faces (F,) bool whose rectangle in the image holds a pixel of an outline (h,w), by its integral image; and those that
    cross the camera's plane."""
    corners = np.ascontiguousarray(faces.T)  # corner by corner, which is quicker to compare
    columns, rows = (np.clip(place, 0, limit - 1).astype(np.int32)[corners] for place, limit in zip(view.places, view.size, strict=True))
    left, right, top, bottom = columns.min(axis=0), columns.max(axis=0) + 1, rows.min(axis=0), rows.max(axis=0) + 1
    sums = cv2.integral(outline)
    within = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    crossing = False if view.before.all() else ~view.before[corners].all(axis=0)
    return np.asarray((within > 0) | crossing)
