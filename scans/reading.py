"""Reads a scan's mesh from any file, or says why it cannot be used.

trimesh parses the formats. It passes over what it cannot find (a texture, a material file, compressed geometry) in
silence, so everything a file asks for goes through `_Files`, which remembers what was missing.
"""

import glob
import importlib.util
import io
import json
import logging
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import PIL.Image
import trimesh

from datasets.conventions import Array
from scans.glb import LABELS
from scans.mesh import GREY, WHITE, Material, Mesh, Part, Picture, Refused, clean

logging.getLogger("trimesh").setLevel(logging.ERROR)  # what it warns of is refused or reported here

GLTF = (".glb", ".gltf")
SUFFIXES = (".obj", ".ply", *GLTF)
#: Options before a file name in an MTL file's map statements.
MTL_OPTIONS = re.compile(r"^\s*(-(?:blendu|blendv|boost|bm|cc|clamp|imfchan|mm|o|s|t|texres|type)(\s+(on|off|[rgbmlz]|[-+\d.eE]+))+\s+)*")
PICTURES = {"JPEG": "image/jpeg", "PNG": "image/png"}


def read(path: Path, texture: Path | None = None) -> Mesh:
    """The mesh in `path`, in the file's own axes and units. texture: taken for the picture that the file names, or does not name.

    Raises Refused with the reason.
    """
    if path.stat().st_size == 0:
        raise Refused("the file is empty: copy it again")
    header = _gltf_header(path) if path.suffix.lower() in GLTF else {}
    _refuse_compressed(header)
    files = _Files(path, texture)
    try:
        scene = trimesh.load_scene(path, resolver=files, process=False)
    except Exception as error:
        if files.missing:
            raise Refused(f"it needs {files.missing[0]}, which is not there: put it beside the scan") from error
        raise Refused(f"cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:160]}): export it again") from error
    if files.missing:
        raise Refused(f"{files.missing[0]} is missing: put it where the scan looks for it, or remove the reference to it")
    parts, issues = _parts(scene, path, files, header)
    mesh = clean(Mesh(parts, issues, list(dict.fromkeys([path, *files.found]))))
    return mesh if mesh.albedo != "none" else replace(mesh, issues=[*mesh.issues, "no albedo: neutral grey"])


class _Files(trimesh.resolvers.FilePathResolver):
    """Finds the files a mesh refers to, and remembers those that are missing or are no pictures."""

    def __init__(self, path: Path, texture: Path | None) -> None:
        super().__init__(str(path))
        self.path, self.texture = path, texture
        self.missing: list[str] = []
        self.found: list[Path] = []

    def get(self, name: str) -> bytes:
        material = MTL_OPTIONS.sub("", name).strip().lower().endswith((".mtl", ".bin"))
        found = self.find(name) if material or not self.texture else self.texture
        if found is None and material and self.texture:
            return b""  # what it would have told is told
        if found is None:
            name = MTL_OPTIONS.sub("", name).strip()
            self.missing.append(f"{'material file' if name.lower().endswith('.mtl') else 'file'} {name!r}")
            raise FileNotFoundError(name)
        self.found.append(found)
        data = found.read_bytes()
        if found.suffix.lower() not in (".mtl", ".bin") and (fault := _fault(data, decode=False)):
            self.missing.append(f"a readable picture {name.strip()!r} ({fault})")
        return data

    def find(self, name: str) -> Path | None:
        """The file that a reference means: MTL options dropped; URI escapes, Windows paths and letter case forgiven."""
        name = MTL_OPTIONS.sub("", name).strip().strip('"').replace("\\", "/")
        name = name if (self.path.parent / name).is_file() else unquote(name)
        for candidate in (self.path.parent / name, self.path.parent / name.rsplit("/", 1)[-1]):
            if candidate.is_file():
                return candidate
            if candidate.parent.is_dir():
                for file in sorted(candidate.parent.iterdir()):
                    if file.name.lower() == candidate.name.lower():
                        return file
        return None


def _fault(data: bytes, decode: bool = True) -> str | None:
    """Why these bytes are no usable picture, or None; without `decode`, by its header alone (an 8K picture takes a second)."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            if decode:
                image.load()
    except Exception as error:  # noqa: BLE001 (PIL's plugins raise anything; the reason is returned)
        return f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
    return None


def _gltf_header(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    try:
        if data[:4] == b"glTF":
            (length,) = struct.unpack_from("<I", data, 12)
            data = data[20 : 20 + length]
        header = json.loads(data)
        return header if isinstance(header, dict) else {}
    except (ValueError, struct.error) as error:
        raise Refused(f"cannot be read as glTF ({error}): export it again") from error


def _refuse_compressed(header: dict[str, Any]) -> None:
    extensions = {*header.get("extensionsRequired", []), *header.get("extensionsUsed", [])}
    if "KHR_draco_mesh_compression" in extensions and importlib.util.find_spec("DracoPy") is None:
        raise Refused("geometry is Draco-compressed: open it in Blender and export it without compression, or `pip install DracoPy`")
    for name in ("EXT_meshopt_compression", "KHR_mesh_quantization"):
        if name in extensions:
            raise Refused(f"geometry is compressed with {name}: export it without")
    for picture in header.get("images", []):
        if picture.get("mimeType") == "image/ktx2" or str(picture.get("uri", "")).lower().endswith(".ktx2"):
            raise Refused("textures are KTX2-compressed: export it with PNG or JPEG textures")


def _parts(scene: trimesh.Scene, path: Path, files: _Files, header: dict[str, Any]) -> tuple[list[Part], list[str]]:
    """One part per triangle mesh of the scene, its node's transform applied."""
    issues = []
    if header.get("skins"):
        issues.append("skinned: taken in its rest pose")
    if "KHR_texture_transform" in header.get("extensionsUsed", []):
        issues.append("texture transforms are ignored: look at the preview")
    parts = []
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        geometry = scene.geometry[name]
        if not isinstance(geometry, trimesh.Trimesh) or len(geometry.faces) == 0:
            continue
        vertices = np.asarray(geometry.vertices, np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
        faces = np.asarray(geometry.faces, np.int64)
        faces = faces[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else faces
        parts.append(_dressed(Part(vertices, faces, labels=_labels(geometry, faces)), geometry, path, files, issues))
        if parts[-1].material.texture is None and _wants_texture(header, getattr(geometry.visual, "material", None)):
            raise Refused("its texture cannot be decoded: export it with PNG or JPEG textures")
    if not parts:
        raise Refused("has no faces (a point cloud?): mesh it first, for example with Poisson reconstruction")
    return parts, list(dict.fromkeys(issues))


def _wants_texture(header: dict[str, Any], source: Any) -> bool:
    """Whether a glTF gives this material a base-colour texture."""
    materials = [entry for entry in header.get("materials", []) if source is not None and entry.get("name") == source.name]
    return any("baseColorTexture" in entry.get("pbrMetallicRoughness", {}) for entry in materials)


def _labels(geometry: Any, faces: Array) -> Array | None:
    """The labels (F,) of a file of ours, which holds them at vertices, all three of a face alike."""
    labels = np.asarray(geometry.vertex_attributes.get(LABELS, []))
    return labels.reshape(-1)[faces[:, 0]] if labels.dtype == np.uint8 and labels.size == len(geometry.vertices) else None


def _dressed(part: Part, geometry: Any, path: Path, files: _Files, issues: list[str]) -> Part:
    """The part with the texture, normal map and colours that trimesh found for it."""
    visual, gltf = geometry.visual, path.suffix.lower() in GLTF
    colours = _colours(geometry, gltf)
    if isinstance(visual, trimesh.visual.color.ColorVisuals):
        return replace(part, colours=colours, material=Material(GREY if colours is None else WHITE))
    source = visual.material
    uv = visual.uv if visual.uv is not None and len(visual.uv) == len(part.vertices) else None
    texture = _picture(source.baseColorTexture if gltf else source.image)
    if not gltf and texture is None and uv is not None and colours is None and (found := files.texture or _lone_texture(path)):
        texture = _encoded(found.read_bytes())
        files.found.append(found)
        issues += [] if files.texture else [f"no texture named: took {found.name}"]
    if texture is not None and uv is None:
        raise Refused("has a texture but no texture coordinates: export it again with them")
    if texture is not None and not gltf:
        colours = None  # glTF multiplies the two; elsewhere the texture replaces the colours
    normal_map = None if uv is None else _picture(source.normalTexture) if gltf else _bump(source, files, issues)
    colour = _factor(source, gltf, has_albedo=texture is not None or colours is not None)
    return replace(part, uv=uv, colours=colours, material=Material(colour, texture, normal_map, gltf and source.alphaMode == "MASK"))


def _colours(geometry: Any, gltf: bool) -> Array | None:
    """Linear vertex colours (V,4) in 0..1, or None; one grey for all is a default, not a colour. glTF's are linear, others sRGB."""
    visual = geometry.visual
    if isinstance(visual, trimesh.visual.color.ColorVisuals):
        colours = visual.vertex_colors if visual.defined else None
    else:
        colours = (visual if gltf else geometry).vertex_attributes.get("color")
    if colours is None or len(colours) != len(geometry.vertices):
        return None
    colours = np.asarray(colours)
    top = np.iinfo(colours.dtype).max if colours.dtype.kind in "ui" else 255.0 if colours.max() > 1.0 else 1.0
    rgba = np.column_stack([colours / top, np.ones(len(colours))])[:, :4]
    if np.ptp(rgba[:, :3]) < 0.01:
        return None
    return rgba if gltf else linear(rgba)


def _factor(source: Any, gltf: bool, has_albedo: bool) -> tuple[float, float, float, float]:
    """The base colour to use: white under an albedo; a file's own plain colour only where it is a colour, not a grey default."""
    given = source.baseColorFactor if gltf else source.diffuse
    if has_albedo and not gltf:
        return WHITE  # exporters write Kd 0 beside map_Kd
    if given is None:
        return WHITE if has_albedo else GREY
    rgb = np.asarray(given, np.float64)[:3] / (255.0 if np.asarray(given).dtype.kind in "ui" else 1.0)
    if rgb.max() < 0.02:
        return WHITE if has_albedo else GREY
    if has_albedo or np.ptp(rgb) > 0.02:
        return (float(rgb[0]), float(rgb[1]), float(rgb[2]), 1.0)
    return GREY


def _bump(source: Any, files: _Files, issues: list[str]) -> Picture | None:
    """An MTL's normal map, if it is one: a bump map is grey, a tangent-space normal map is mostly blue."""
    words = next((source.kwargs[key] for key in ("norm", "map_kn", "map_bump", "bump") if key in source.kwargs), None)
    if words is None:
        return None
    name = " ".join(words)
    found = files.find(name)
    if found is None or _fault(found.read_bytes(), decode=False):
        issues.append(f"normal map {name!r} is missing or no picture: left out")
        return None
    files.found.append(found)
    picture = _encoded(found.read_bytes())
    red, green, blue = PIL.Image.open(io.BytesIO(picture.data)).convert("RGB").resize((1, 1), PIL.Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
    if blue > 170 and abs(red - 128) < 40 and abs(green - 128) < 40:
        return picture
    issues.append(f"bump map {name!r} is no tangent-space normal map: left out")
    return None


def _lone_texture(path: Path) -> Path | None:
    """The picture an OBJ or PLY without a material means: `<stem>.*`, or RenderPeople's `tex/*_dif*`; the largest."""
    for pattern in (f"{glob.escape(path.stem)}.*", "tex/*_dif*"):
        pictures = [file for file in path.parent.glob(pattern) if file.suffix.lower() in (".png", ".jpg", ".jpeg")]
        if pictures:
            return max(pictures, key=lambda file: (file.stat().st_size, file.name))
    return None


def _picture(image: Any) -> Picture | None:
    """The bytes behind a picture that trimesh opened."""
    if image is None or image.format is None:  # without a format it is the placeholder that trimesh makes up
        return None
    stream: Any = getattr(image, "fp", None)  # PIL opens lazily, so the encoded bytes are still there
    return _encoded(stream.getvalue()) if hasattr(stream, "getvalue") else _as_png(image)


def _encoded(data: bytes) -> Picture:
    """A picture as it came, where glTF allows its format. Raises Refused when it is broken."""
    if fault := _fault(data):
        raise Refused(f"its texture cannot be decoded ({fault}): export it again")
    image = PIL.Image.open(io.BytesIO(data))
    return Picture(data, PICTURES[image.format]) if image.format in PICTURES else _as_png(image)


def _as_png(image: PIL.Image.Image) -> Picture:
    stream = io.BytesIO()
    image.convert("RGBA" if "A" in image.getbands() else "RGB").save(stream, format="PNG")
    return Picture(stream.getvalue(), "image/png")


def linear(colours: Array) -> Array:
    """sRGB (N,4) in 0..1 to linear light, as glTF's COLOR_0 wants it; alpha untouched (IEC 61966-2-1)."""
    rgb = colours[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.concatenate([linear, colours[:, 3:]], axis=1)
