"""Reads a scan's mesh from any file, or says why it cannot be used; cleans it; writes it as canonical GLB.

trimesh parses the formats. It passes over what it cannot find (a texture, a material file, compressed geometry) in
silence, so everything a file asks for goes through `_Files`, which remembers what was missing.
"""

import glob
import importlib.util
import io
import json
import logging
import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import PIL.Image
import trimesh
from scipy.sparse import coo_matrix

from datasets.conventions import WORLD_FROM_GLTF, Array

logging.getLogger("trimesh").setLevel(logging.ERROR)  # what it warns of is refused or reported here

GLTF = (".glb", ".gltf")
SUFFIXES = (".obj", ".ply", *GLTF)
#: Linear base colour of a scan that brings none. File defaults (black, 0.8, ...) say nothing about the person.
GREY = (0.4, 0.4, 0.4, 1.0)
WHITE = (1.0, 1.0, 1.0, 1.0)
#: Scans hold no measured roughness, and glTF's own defaults (metallic 1, roughness 1) are wrong for people.
ROUGHNESS = 0.8
#: Options before a file name in an MTL file's map statements.
MTL_OPTIONS = re.compile(r"^\s*(-(?:blendu|blendv|boost|bm|cc|clamp|imfchan|mm|o|s|t|texres|type)(\s+(on|off|[rgbmlz]|[-+\d.eE]+))+\s+)*")
PICTURES = {"JPEG": "image/jpeg", "PNG": "image/png"}


class Refused(Exception):
    """The scan cannot be used; the message says why and how to mend it, in one line."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture, JPEG or PNG, byte for byte as it came where its format allows."""

    data: bytes
    mime: str


@dataclass(frozen=True)
class Material:
    """colour: linear RGBA factor; texture: sRGB base colour; normal_map: tangent-space, OpenGL axes (glTF's)."""

    colour: tuple[float, float, float, float] = GREY
    texture: Picture | None = None
    normal_map: Picture | None = None
    cutout: bool = False


@dataclass(frozen=True)
class Part:
    """Triangles of one material. vertices (V,3) float64; faces (F,3) int64; uv (V,2), origin bottom left; colours (V,4) linear."""

    vertices: Array
    faces: Array
    material: Material = field(default_factory=Material)
    uv: Array | None = None
    colours: Array | None = None


@dataclass(frozen=True)
class Mesh:
    """A scan: its parts, what a user should know about it (`issues`), and the files it was read from."""

    parts: list[Part]
    issues: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    @property
    def vertices(self) -> Array:
        """All vertices, (V,3) float64."""
        return np.concatenate([part.vertices for part in self.parts])

    @property
    def faces(self) -> Array:
        """All triangles, (F,3), indexing `vertices`."""
        offsets = np.cumsum([0] + [len(part.vertices) for part in self.parts[:-1]])
        return np.concatenate([part.faces + offset for part, offset in zip(self.parts, offsets, strict=True)])

    @property
    def albedo(self) -> str:
        """Where the colour comes from: 'texture', 'vertex colours' or 'none'."""
        if any(part.material.texture for part in self.parts):
            return "texture"
        return "vertex colours" if any(part.colours is not None for part in self.parts) else "none"

    def normals(self) -> list[Array]:
        """Smooth unit normals of each part's vertices, (V,3): seams of texture and of material do not show."""
        splits = np.cumsum([len(part.vertices) for part in self.parts[:-1]], dtype=int)
        return np.split(smooth_normals(self.vertices, self.faces), splits)

    def transformed(self, matrix: Array) -> "Mesh":
        """The mesh moved by a 4x4 matrix that does not mirror."""
        moved = [replace(part, vertices=part.vertices @ matrix[:3, :3].T + matrix[:3, 3]) for part in self.parts]
        return replace(self, parts=moved)


def read(path: Path) -> Mesh:
    """The mesh in `path`, in the file's own axes and units. Raises Refused with the reason."""
    if path.stat().st_size == 0:
        raise Refused("the file is empty: copy it again")
    header = _gltf_header(path) if path.suffix.lower() in GLTF else {}
    _refuse_compressed(header)
    files = _Files(path)
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

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path
        self.missing: list[str] = []
        self.found: list[Path] = []

    def get(self, name: str) -> bytes:
        found = self.find(name)
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
        parts.append(_dressed(Part(vertices, faces), geometry, path, files, issues))
        if parts[-1].material.texture is None and _wants_texture(header, getattr(geometry.visual, "material", None)):
            raise Refused("its texture cannot be decoded: export it with PNG or JPEG textures")
    if not parts:
        raise Refused("has no faces (a point cloud?): mesh it first, for example with Poisson reconstruction")
    return parts, list(dict.fromkeys(issues))


def _wants_texture(header: dict[str, Any], source: Any) -> bool:
    """Whether a glTF gives this material a base-colour texture."""
    materials = [entry for entry in header.get("materials", []) if source is not None and entry.get("name") == source.name]
    return any("baseColorTexture" in entry.get("pbrMetallicRoughness", {}) for entry in materials)


def _dressed(part: Part, geometry: Any, path: Path, files: _Files, issues: list[str]) -> Part:
    """The part with the texture, normal map and colours that trimesh found for it."""
    visual, gltf = geometry.visual, path.suffix.lower() in GLTF
    colours = _colours(geometry, gltf)
    if isinstance(visual, trimesh.visual.color.ColorVisuals):
        return replace(part, colours=colours, material=Material(GREY if colours is None else WHITE))
    source = visual.material
    uv = visual.uv if visual.uv is not None and len(visual.uv) == len(part.vertices) else None
    texture = _picture(source.baseColorTexture if gltf else source.image)
    if not gltf and texture is None and uv is not None and colours is None and (found := _lone_texture(path)):
        texture = _encoded(found.read_bytes())
        files.found.append(found)
        issues.append(f"no texture named: took {found.name}")
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
    return rgba if gltf else _linear(rgba)


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


def _linear(colours: Array) -> Array:
    """sRGB (N,4) in 0..1 to linear light, as glTF's COLOR_0 wants it; alpha untouched (IEC 61966-2-1)."""
    rgb = colours[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.concatenate([linear, colours[:, 3:]], axis=1)


def weld(rows: Array) -> tuple[Array, Array]:
    """Equal rows made one: (index of each distinct row's first occurrence, distinct row of each row)."""
    rows = np.ascontiguousarray(rows + 0.0)  # -0.0 becomes 0.0, so equal numbers have equal bytes
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first, inverse


def clean(mesh: Mesh) -> Mesh:
    """The mesh without degenerate and double faces and loose vertices. Raises Refused when its vertices make no surface."""
    vertices, faces, issues = mesh.vertices, mesh.faces, list(mesh.issues)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise Refused("faces name vertices that do not exist: export it again")
    used = vertices[np.unique(faces)]
    if bad := int(np.sum(~np.isfinite(used).all(axis=1))):
        raise Refused(f"{bad} of {len(used)} vertices are NaN or infinite: export it again")
    if not used.any():
        raise Refused("all vertices are zero (compressed geometry that was never decoded?): decode or export it again")
    if np.ptp(used, axis=0).max() <= 1e-9 * np.abs(used).max():
        raise Refused("all vertices coincide: export it again")
    _, point = weld(vertices.astype(np.float32))
    corners = np.sort(point[faces], axis=1)
    degenerate = (corners[:, 0] == corners[:, 1]) | (corners[:, 1] == corners[:, 2])
    first, _ = weld(corners)
    keep = np.zeros(len(faces), bool)
    keep[first] = True
    doubles = int(np.sum(~keep & ~degenerate))
    keep &= ~degenerate
    if not keep.any():
        raise Refused("all faces are degenerate: export it again")
    issues += [f"{degenerate.sum()} degenerate faces removed"] if degenerate.any() else []
    issues += [f"{doubles} double faces removed"] if doubles else []
    issues += _openness(point[faces[keep]])
    splits = np.cumsum([len(part.faces) for part in mesh.parts[:-1]], dtype=int)
    parts = [_compact(part, part.faces[kept]) for part, kept in zip(mesh.parts, np.split(keep, splits), strict=True) if kept.any()]
    return Mesh(parts, issues, mesh.files)


def _openness(faces: Array) -> list[str]:
    """Edges with one face, of welded faces (F,3), as an issue."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    first, inverse = weld(edges)
    open_edges = int(np.sum(np.bincount(inverse, minlength=len(first)) == 1))
    return [f"not watertight ({open_edges} open edges)"] if open_edges else []


def _compact(part: Part, faces: Array) -> Part:
    """The part with these faces, its equal vertices made one and its unused ones dropped."""
    columns = [part.vertices, *([part.uv] if part.uv is not None else []), *([part.colours] if part.colours is not None else [])]
    first, inverse = weld(np.column_stack(columns))
    faces = inverse[faces]
    used, faces = np.unique(faces, return_inverse=True)
    rows = first[used]
    pick: Callable[[Array | None], Array | None] = lambda values: None if values is None else np.asarray(values)[rows]
    return replace(part, vertices=part.vertices[rows], faces=faces.reshape(-1, 3), uv=pick(part.uv), colours=pick(part.colours))


def smooth_normals(vertices: Array, faces: Array) -> Array:
    """Unit vertex normals (V,3): face normals weighted by corner angle, summed over equal positions, so seams do not show.

    Angle weights after Thürmer and Wüthrich, "Computing vertex normals from polygonal facets", 1998.
    """
    stored = np.asarray(vertices, np.float32)  # as in a file, so that slivers give anyone who reads it the same normal
    first, point = weld(stored)
    corners = stored.astype(np.float64)[faces]
    ahead = np.roll(corners, -1, axis=1) - corners
    behind = np.roll(corners, 1, axis=1) - corners
    cross = np.cross(ahead[:, 0], behind[:, 0])
    normal = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-300)
    angles = np.arctan2(np.linalg.norm(np.cross(ahead, behind), axis=2), np.sum(ahead * behind, axis=2))
    weights = coo_matrix((angles.ravel(), (point[faces].ravel(), np.repeat(np.arange(len(faces)), 3))), (len(first), len(faces)))
    sums = weights.tocsr() @ normal
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(length > 1e-12, sums / np.maximum(length, 1e-300), [0.0, 0.0, 1.0])[point]


def write_glb(mesh: Mesh, path: Path) -> None:
    """Write a mesh in the canonical frame (metres, +Z up, facing -Y) as a binary glTF (+Y up, facing +Z), atomically.

    Our own writer, since trimesh's encodes pictures again and takes COLOR_0 for sRGB. Format: Khronos glTF 2.0, section 4.
    """
    blob, tree = bytearray(), _tree()
    for part, normal in zip(mesh.parts, mesh.normals(), strict=True):
        attributes = {"POSITION": _accessor(tree, blob, part.vertices @ WORLD_FROM_GLTF[:3, :3], np.float32, bounded=True)}
        attributes["NORMAL"] = _accessor(tree, blob, normal @ WORLD_FROM_GLTF[:3, :3], np.float32)
        if part.uv is not None:
            attributes["TEXCOORD_0"] = _accessor(tree, blob, part.uv * [1, -1] + [0, 1], np.float32)
        if part.colours is not None:
            attributes["COLOR_0"] = _accessor(tree, blob, np.round(np.clip(part.colours, 0, 1) * 65535), np.uint16)
        indices = _accessor(tree, blob, part.faces.reshape(-1, 1), np.uint32)
        primitive = {"attributes": attributes, "indices": indices, "material": _material(tree, blob, part.material)}
        tree["meshes"][0]["primitives"].append(primitive)
    tree["buffers"] = [{"byteLength": len(blob)}]
    text = json.dumps({name: value for name, value in tree.items() if value}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(blob), 0x004E4942) + blob
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _tree() -> dict[str, Any]:
    tree: dict[str, Any] = {"asset": {"version": "2.0", "generator": "Phidias"}, "scene": 0, "scenes": [{"nodes": [0]}]}
    tree |= {"nodes": [{"mesh": 0, "name": "scan"}], "meshes": [{"name": "scan", "primitives": []}]}
    return tree | {"materials": [], "textures": [], "images": [], "accessors": [], "bufferViews": []}


def _view(tree: dict[str, Any], blob: bytearray, data: bytes) -> int:
    tree["bufferViews"].append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data)})
    blob += data + b"\0" * (-len(data) % 4)
    return len(tree["bufferViews"]) - 1


def _accessor(tree: dict[str, Any], blob: bytearray, values: Array, dtype: type, bounded: bool = False) -> int:
    values = np.ascontiguousarray(values, dtype)
    component = {"float32": 5126, "uint16": 5123, "uint32": 5125}[values.dtype.name]
    entry: dict[str, Any] = {"bufferView": _view(tree, blob, values.tobytes()), "componentType": component, "count": len(values)}
    entry["type"] = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[values.shape[1]]
    if dtype is np.uint16:
        entry["normalized"] = True
    if bounded:
        entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
    tree["accessors"].append(entry)
    return len(tree["accessors"]) - 1


def _material(tree: dict[str, Any], blob: bytearray, material: Material) -> int:
    def texture(picture: Picture) -> dict[str, int]:
        tree["images"].append({"bufferView": _view(tree, blob, picture.data), "mimeType": picture.mime})
        tree["textures"].append({"source": len(tree["images"]) - 1})
        return {"index": len(tree["textures"]) - 1}

    surface: dict[str, Any] = {"baseColorFactor": list(material.colour), "metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
    if material.texture:
        surface["baseColorTexture"] = texture(material.texture)
    entry: dict[str, Any] = {"name": f"material{len(tree['materials'])}", "pbrMetallicRoughness": surface, "doubleSided": True}
    if material.normal_map:
        entry["normalTexture"] = texture(material.normal_map)
    if material.cutout:
        entry["alphaMode"] = "MASK"
    tree["materials"].append(entry)
    return len(tree["materials"]) - 1
