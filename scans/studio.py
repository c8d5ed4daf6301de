"""Looks at a mesh without Blender: pyrender on EGL, orthographic, one light above the camera."""

import io
import os

import numpy as np
import PIL.Image

os.environ.setdefault("PYOPENGL_PLATFORM", "egl")  # there is no display; pyrender reads it when imported
import pyrender

from datasets.conventions import Array
from scans.mesh import Mesh, Part


class Studio:
    """Views of one mesh. Use as a context manager: the renderer holds graphics memory."""

    def __init__(self, mesh: Mesh, size: int = 512) -> None:
        self.renderer = pyrender.OffscreenRenderer(size, size)
        self.scene = pyrender.Scene(bg_color=(0.5, 0.5, 0.5, 1.0), ambient_light=(0.25, 0.25, 0.25))
        self.scene.add(pyrender.Mesh([_primitive(*pair) for pair in zip(mesh.parts, mesh.normals(), strict=True)]))
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
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, up, toward], axis=1)
        depth = 4.0 * half
        pose[:3, 3] = centre + depth * toward
        near, far = 0.25 * depth, 1.75 * depth
        self.camera.camera.xmag = self.camera.camera.ymag = half
        self.camera.camera.znear, self.camera.camera.zfar = near, far
        self.scene.set_pose(self.camera, pose)
        light = pose.copy()
        angle = np.deg2rad(lift)
        light[:3, 1] = np.cos(angle) * up - np.sin(angle) * toward
        light[:3, 2] = np.cos(angle) * toward + np.sin(angle) * up
        self.scene.set_pose(self.light, light)
        colour, depth_map = self.renderer.render(self.scene, flags=pyrender.RenderFlags.SKIP_CULL_FACES)
        steps = (np.arange(colour.shape[0]) + 0.5) / colour.shape[0] * 2.0 - 1.0
        with np.errstate(divide="ignore"):
            depth_map = near + far - near * far / depth_map  # pyrender inverts the perspective formula whatever the camera
        depth_map = np.where(np.isfinite(depth_map), depth_map, np.nan)
        points = pose[:3, 3] + half * (steps[None, :, None] * right - steps[:, None, None] * up) - depth_map[..., None] * toward
        return np.array(colour), points


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
