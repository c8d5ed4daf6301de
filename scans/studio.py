"""Looks at a mesh without Blender: pyrender on EGL, orthographic: lit, or as layers of albedo, normal and depth."""

import io
import os
from dataclasses import dataclass

import numpy as np
import PIL.Image

os.environ.setdefault("PYOPENGL_PLATFORM", "egl")  # there is no display; pyrender reads it when imported
import pyrender
from scipy import ndimage

from datasets.conventions import Array
from scans.mesh import Mesh, Part


@dataclass(frozen=True)
class Layers:
    """One view's ingredients, all (size,size,...).

    coverage: 0 to 1, the mesh's share of the pixel; albedo: (...,3) sRGB 0 to 1; normal: (...,3) unit, camera axes (x right,
    y up, z toward the camera), 0 beside the mesh; height: toward the camera from the plane through the view's centre, in the
    mesh's unit, -inf beside the mesh.
    """

    coverage: Array
    albedo: Array
    normal: Array
    height: Array


class Studio:
    """Views of one mesh. Use as a context manager: the renderer holds graphics memory."""

    def __init__(self, mesh: Mesh, size: int = 512) -> None:
        self.parts = list(zip(mesh.parts, mesh.normals(), strict=True))
        self.renderer = pyrender.OffscreenRenderer(size, size)
        self.scene = pyrender.Scene(ambient_light=(0.25, 0.25, 0.25))
        self.painted = pyrender.Mesh([_primitive(*pair) for pair in self.parts])
        self.scene.add(self.painted)
        self.shape: pyrender.Mesh | None = None
        self.camera = self.scene.add(pyrender.OrthographicCamera(xmag=1.0, ymag=1.0, znear=0.01, zfar=10.0))
        self.light = self.scene.add(pyrender.DirectionalLight(color=np.ones(3), intensity=3.0))

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *_: object) -> None:
        self.renderer.delete()

    def view(self, right: Array, up: Array, centre: Array, half: float, lift: float = 25.0) -> tuple[Array, Array]:
        """A picture (size,size,3) uint8, and the surface point (size,size,3) at each pixel's centre, NaN beside the mesh.

        right, up: unit vectors of the picture's axes; centre (3,) in its middle; half: half its width, in the mesh's unit;
        lift: degrees that the light stands above the camera (faces are recognised by their shadows).
        """
        toward = np.cross(right, up)
        pose = self._aim(right, up, centre, half)
        light = pose.copy()
        angle = np.deg2rad(lift)
        light[:3, 1] = np.cos(angle) * up - np.sin(angle) * toward
        light[:3, 2] = np.cos(angle) * toward + np.sin(angle) * up
        self.scene.set_pose(self.light, light)
        colour, height = self._render(half, 0.5)
        steps = (np.arange(colour.shape[0]) + 0.5) / colour.shape[0] * 2.0 - 1.0
        plane = centre + half * (steps[None, :, None] * right - steps[:, None, None] * up)
        return colour, plane + np.where(np.isfinite(height), height, np.nan)[..., None] * toward

    def layers(self, right: Array, up: Array, centre: Array, half: float) -> Layers:
        """What a picture can be lit from afterwards; arguments as in `view`. Scans' normal maps do not enter."""
        axes = np.stack([right, up, np.cross(right, up)], axis=1)
        self._aim(right, up, centre, half)
        paint, _ = self._render(half, 0.0, pyrender.RenderFlags.FLAT)
        if self.shape is None:
            self.shape = pyrender.Mesh([_as_colours(*pair) for pair in self.parts])
            self.scene.add(self.shape)
        self.painted.is_visible, self.shape.is_visible = False, True
        coded, height = self._render(half, 128 / 255, pyrender.RenderFlags.FLAT)
        self.painted.is_visible, self.shape.is_visible = True, False
        normal = (coded / 255.0 - 128 / 255) * 2.0
        length = np.linalg.norm(normal, axis=2)
        inner = ndimage.binary_erosion(np.isfinite(height), np.ones((3, 3)))  # elsewhere mixed with the background, which stands for 0
        coverage = np.where(inner, 1.0, np.clip(length, 0.0, 1.0) * (length > 0.03))
        seen = coverage[..., None] > 0
        albedo = np.clip(paint / 255.0 / np.maximum(coverage, 1e-6)[..., None], 0, 1)
        return Layers(coverage, albedo * seen, normal / np.maximum(length, 1e-6)[..., None] @ axes * seen, height)

    def _aim(self, right: Array, up: Array, centre: Array, half: float) -> Array:
        """Point the camera; returns its pose (4,4)."""
        toward = np.cross(right, up)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, up, toward], axis=1)
        pose[:3, 3] = centre + 4.0 * half * toward
        self.camera.camera.xmag = self.camera.camera.ymag = half
        self.camera.camera.znear, self.camera.camera.zfar = half, 7.0 * half
        self.scene.set_pose(self.camera, pose)
        return pose

    def _render(self, half: float, background: float, flags: int = 0) -> tuple[Array, Array]:
        """Colours (size,size,3) uint8 and heights (size,size) toward the camera from the view's centre, -inf beside the mesh."""
        self.scene.bg_color = (background, background, background, 1.0)
        colour, depth = self.renderer.render(self.scene, flags=flags | pyrender.RenderFlags.SKIP_CULL_FACES)
        near, far = half, 7.0 * half
        with np.errstate(divide="ignore"):
            depth = near + far - near * far / depth  # pyrender inverts the perspective formula whatever the camera
        return np.array(colour), np.where(np.isfinite(depth), 4.0 * half - depth, -np.inf)


def _primitive(part: Part, normal: Array) -> pyrender.Primitive:
    material = pyrender.MetallicRoughnessMaterial(
        baseColorFactor=part.material.colour, metallicFactor=0.0, roughnessFactor=0.9, doubleSided=True
    )
    values = {"positions": part.vertices, "normals": normal, "indices": part.faces, "material": material}
    if part.material.texture is not None and part.uv is not None:
        picture = PIL.Image.open(io.BytesIO(part.material.texture.data)).convert("RGB")
        picture.thumbnail((2048, 2048))
        material.baseColorTexture = pyrender.Texture(source=np.asarray(picture), source_channels="RGB")
        values["texcoord_0"] = part.uv
    elif part.colours is not None:
        values["color_0"] = part.colours
    return pyrender.Primitive(**values)


def _as_colours(part: Part, normal: Array) -> pyrender.Primitive:
    """A part whose colours are its normals, 0 at 128 of 255."""
    colours = np.column_stack([normal / 2 + 128 / 255, np.ones(len(normal))])
    return pyrender.Primitive(positions=part.vertices, indices=part.faces, color_0=np.clip(colours, 0, 1))
