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
from scans.mesh import Material, Mesh, Picture

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942


def write(mesh: Mesh, path: Path, extras: dict[str, Any] | None = None) -> None:
    """Write a mesh in the canonical frame (metres, +Z up, facing -Y) as glTF has it (+Y up, facing +Z), with smooth normals.

    `asset.extras` gets `extras` and the binary chunk's sha256. Temporary name, flush, rename.
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
        primitive = {"attributes": attributes, "indices": indices, "material": _material(tree, blob, part.material, part.name)}
        tree["meshes"][0]["primitives"].append(primitive)
    tree["buffers"] = [{"byteLength": len(blob)}]
    tree["asset"]["extras"] = {**(extras or {}), "sha256": hashlib.sha256(blob).hexdigest()}
    text = json.dumps({name: value for name, value in tree.items() if value}, sort_keys=True, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    header = struct.pack("<III", MAGIC, 2, 28 + len(text) + len(blob)) + struct.pack("<II", len(text), JSON_CHUNK)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(header + text + struct.pack("<II", len(blob), BINARY_CHUNK) + blob)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_extras(path: Path) -> dict[str, Any] | None:
    """The extras of a whole file that `write` made, or None: absent, cut short, altered, or somebody else's."""
    try:
        data = path.read_bytes()
        magic, version, length, size, kind = struct.unpack_from("<IIIII", data)
        if (magic, version, length, kind) != (MAGIC, 2, len(data), JSON_CHUNK):
            return None
        extras = json.loads(data[20 : 20 + size])["asset"]["extras"]
        whole = extras.pop("sha256") == hashlib.sha256(memoryview(data)[28 + size :]).hexdigest()
    except (OSError, struct.error, ValueError, KeyError, TypeError):
        return None
    return extras if whole else None


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
    component = {"float32": 5126, "uint16": 5123, "uint32": 5125}[values.dtype.name]
    entry: dict[str, Any] = {"bufferView": _view(tree, blob, values.tobytes()), "componentType": component, "count": len(values)}
    entry["type"] = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[values.shape[1]]
    if dtype is np.uint16:
        entry["normalized"] = True
    if bounded:
        entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
    tree["accessors"].append(entry)
    return len(tree["accessors"]) - 1


def _material(tree: dict[str, Any], blob: bytearray, material: Material, name: str) -> int:
    def texture(picture: Picture) -> dict[str, int]:
        tree["images"].append({"bufferView": _view(tree, blob, picture.data), "mimeType": picture.mime})
        tree["textures"].append({"source": len(tree["images"]) - 1})
        return {"index": len(tree["textures"]) - 1}

    surface: dict[str, Any] = {"baseColorFactor": list(material.colour), "metallicFactor": 0.0, "roughnessFactor": material.roughness}
    if material.texture:
        surface["baseColorTexture"] = texture(material.texture)
    entry: dict[str, Any] = {"name": name or f"material{len(tree['materials'])}", "pbrMetallicRoughness": surface, "doubleSided": True}
    if material.normal_map:
        entry["normalTexture"] = texture(material.normal_map)
    if material.cutout:
        entry["alphaMode"] = "MASK"
    tree["materials"].append(entry)
    return len(tree["materials"]) - 1
