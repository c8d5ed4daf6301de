"""The catalogue's file of one scan: a binary glTF, written atomically, known to be whole when read back.

Our own writer, since trimesh's encodes pictures again and takes COLOR_0 for sRGB. The layout is a 12-byte header, a JSON
chunk and a binary chunk (Khronos glTF 2.0, section 4.4). Equal meshes give equal bytes.
"""

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from datasets.conventions import WORLD_FROM_GLTF, Array
from datasets.triplet import temporary
from scans.mesh import Material, Mesh, Part, Picture

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
#: The vertex attribute of labels; readers of glTF pass on what starts with an underscore.
LABELS = "_PART"
COMPONENTS = {"uint8": 5121, "uint16": 5123, "uint32": 5125, "float32": 5126}
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


def write(mesh: Mesh, path: Path, extras: dict[str, Any] | None = None) -> None:
    """Write a mesh in the canonical frame (metres, +Z up, facing -Y) as glTF has it (+Y up, facing +Z), with smooth normals.

    Labels are a vertex attribute, `_PART`. A picture that several parts share is stored once. `asset.extras` gets `extras`
    and the binary chunk's sha256. Temporary name, flush, rename.
    """
    blob, tree, textures = bytearray(), _tree(), dict[Picture, int]()
    mesh = mesh.separated()
    for part, normal in zip(mesh.parts, mesh.normals(), strict=True):
        attributes = {"POSITION": _accessor(tree, blob, part.vertices @ WORLD_FROM_GLTF[:3, :3], np.float32, bounded=True)}
        attributes["NORMAL"] = _accessor(tree, blob, normal @ WORLD_FROM_GLTF[:3, :3], np.float32)
        if part.uv is not None:
            attributes["TEXCOORD_0"] = _accessor(tree, blob, part.uv * [1, -1] + [0, 1], np.float32)
        if part.colours is not None:
            attributes["COLOR_0"] = _accessor(tree, blob, np.round(np.clip(part.colours, 0, 1) * 65535), np.uint16)
        if part.labels is not None:
            attributes[LABELS] = _accessor(tree, blob, _at_vertices(part), np.uint8)
        indices = _accessor(tree, blob, part.faces.reshape(-1, 1), np.uint32)
        primitive = {"attributes": attributes, "indices": indices, "material": _material(tree, blob, textures, part.material, part.name)}
        tree["meshes"][0]["primitives"].append(primitive)
    tree["buffers"] = [{"byteLength": len(blob)}]
    tree["asset"]["extras"] = {**(extras or {}), "sha256": hashlib.sha256(blob).hexdigest()}
    text = json.dumps({name: value for name, value in tree.items() if value}, sort_keys=True, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    header = struct.pack("<III", MAGIC, 2, 28 + len(text) + len(blob)) + struct.pack("<II", len(text), JSON_CHUNK)
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = temporary(path)
    try:
        with open(hidden, "wb") as file:
            file.write(header + text + struct.pack("<II", len(blob), BINARY_CHUNK) + blob)
            file.flush()
            os.fsync(file.fileno())
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


def read_extras(path: Path) -> dict[str, Any] | None:
    """The extras of a whole file that `write` made, or None: absent, cut short, altered, or somebody else's."""
    try:
        tree, blob = _chunks(path.read_bytes())
        extras = tree["asset"]["extras"]
        whole = extras.pop("sha256") == hashlib.sha256(blob).hexdigest()
    except (OSError, struct.error, ValueError, KeyError, TypeError):
        return None
    return extras if whole else None


def read(path: Path) -> Mesh:
    """The mesh of a file that `write` made, in the canonical frame. Raises ValueError when it is another's or not whole."""
    try:
        tree, blob = _chunks(path.read_bytes())
        pictures = [Picture(bytes(_bytes(tree, blob, image["bufferView"])), image["mimeType"]) for image in tree.get("images", [])]
        textures = [pictures[texture["source"]] for texture in tree.get("textures", [])]
        materials = [(entry["name"], _read_material(entry, textures)) for entry in tree["materials"]]
        return Mesh([_read_part(tree, blob, primitive, materials) for primitive in tree["meshes"][0]["primitives"]])
    except (struct.error, ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path} is not a whole file of this catalogue ({error!r}): make it again") from error


def _chunks(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """The JSON tree and the binary chunk. Raises ValueError or struct.error when these are no such chunks, or not whole."""
    magic, version, length, size, kind = struct.unpack_from("<IIIII", data)
    if (magic, version, length, kind) != (MAGIC, 2, len(data), JSON_CHUNK):
        raise ValueError("no binary glTF, or cut short")
    tree = json.loads(data[20 : 20 + size])
    if not isinstance(tree, dict):
        raise ValueError("no glTF")
    return tree, memoryview(data)[28 + size :]


def _bytes(tree: dict[str, Any], blob: memoryview, index: int) -> memoryview:
    view = tree["bufferViews"][index]
    return blob[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]


def _values(tree: dict[str, Any], blob: memoryview, index: int) -> Array:
    """What an accessor holds, (N,k); whole numbers that stand for 0 to 1 as such."""
    entry = tree["accessors"][index]
    name = next(name for name, component in COMPONENTS.items() if component == entry["componentType"])
    width = next(count for count, kind in TYPES.items() if kind == entry["type"])
    data = np.frombuffer(_bytes(tree, blob, entry["bufferView"]), name)
    stride = tree["bufferViews"][entry["bufferView"]].get("byteStride", width * data.itemsize) // data.itemsize
    values = data[: entry["count"] * stride].reshape(entry["count"], stride)[:, :width]
    return values / np.iinfo(name).max if entry.get("normalized") else values


def _read_part(tree: dict[str, Any], blob: memoryview, primitive: dict[str, Any], materials: list[tuple[str, Material]]) -> Part:
    values = {name: _values(tree, blob, index) for name, index in primitive["attributes"].items()}
    faces = _values(tree, blob, primitive["indices"]).reshape(-1, 3).astype(np.int64)
    name, material = materials[primitive["material"]]
    return Part(
        vertices=values["POSITION"].astype(np.float64) @ WORLD_FROM_GLTF[:3, :3].T,
        faces=faces,
        material=material,
        uv=values["TEXCOORD_0"].astype(np.float64) * [1, -1] + [0, 1] if "TEXCOORD_0" in values else None,
        colours=values.get("COLOR_0"),
        name=name,
        labels=values[LABELS][faces[:, 0], 0] if LABELS in values else None,
    )


def _read_material(entry: dict[str, Any], textures: list[Picture]) -> Material:
    surface = entry["pbrMetallicRoughness"]
    red, green, blue, alpha = surface["baseColorFactor"]
    picture = lambda holder, name: textures[holder[name]["index"]] if name in holder else None
    return Material(
        colour=(red, green, blue, alpha),
        texture=picture(surface, "baseColorTexture"),
        normal_map=picture(entry, "normalTexture"),
        cutout=entry.get("alphaMode") == "MASK",
        roughness=surface["roughnessFactor"],
        roughness_map=picture(surface, "metallicRoughnessTexture"),
    )


def _tree() -> dict[str, Any]:
    tree: dict[str, Any] = {"asset": {"version": "2.0", "generator": "phidias"}, "scene": 0, "scenes": [{"nodes": [0]}]}
    tree |= {"nodes": [{"mesh": 0, "name": "scan"}], "meshes": [{"name": "scan", "primitives": []}]}
    return tree | {"materials": [], "textures": [], "images": [], "accessors": [], "bufferViews": []}


def _view(tree: dict[str, Any], blob: bytearray, data: bytes) -> int:
    tree["bufferViews"].append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data)})
    blob += data + b"\0" * (-len(data) % 4)
    return len(tree["bufferViews"]) - 1


def _accessor(tree: dict[str, Any], blob: bytearray, values: Array, dtype: type, bounded: bool = False) -> int:
    values = np.ascontiguousarray(values, dtype)
    width = values.shape[1]
    padding = -width * values.itemsize % 4  # every vertex begins at a multiple of four bytes (glTF 2.0, section 3.6.2.4)
    view = _view(tree, blob, np.pad(values, [(0, 0), (0, padding // values.itemsize)]).tobytes())
    if padding:
        tree["bufferViews"][view]["byteStride"] = width * values.itemsize + padding
    entry: dict[str, Any] = {"bufferView": view, "componentType": COMPONENTS[values.dtype.name], "count": len(values), "type": TYPES[width]}
    if dtype is np.uint16:
        entry["normalized"] = True
    if bounded:
        entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
    tree["accessors"].append(entry)
    return len(tree["accessors"]) - 1


def _at_vertices(part: Part) -> Array:
    """The labels of a separated part's vertices, (V,1)."""
    labels = np.zeros((len(part.vertices), 1), np.uint8)
    if part.labels is not None:
        labels[part.faces] = part.labels[:, None, None]
    return labels


def _material(tree: dict[str, Any], blob: bytearray, textures: dict[Picture, int], material: Material, name: str) -> int:
    def texture(picture: Picture) -> dict[str, int]:
        if picture not in textures:
            tree["images"].append({"bufferView": _view(tree, blob, picture.data), "mimeType": picture.mime})
            tree["textures"].append({"source": len(tree["images"]) - 1})
            textures[picture] = len(tree["textures"]) - 1
        return {"index": textures[picture]}

    surface: dict[str, Any] = {"baseColorFactor": list(material.colour), "metallicFactor": 0.0, "roughnessFactor": material.roughness}
    if material.texture:
        surface["baseColorTexture"] = texture(material.texture)
    if material.roughness_map:
        surface["metallicRoughnessTexture"] = texture(material.roughness_map)
    entry: dict[str, Any] = {"name": name or f"material{len(tree['materials'])}", "pbrMetallicRoughness": surface, "doubleSided": True}
    if material.normal_map:
        entry["normalTexture"] = texture(material.normal_map)
    if material.cutout:
        entry["alphaMode"] = "MASK"
    tree["materials"].append(entry)
    return len(tree["materials"]) - 1
