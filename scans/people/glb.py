"""One person as one GLB file: written atomically, checked when read back, equal bytes for equal people.

The glTF 2.0 binary layout: a 12-byte header, a JSON chunk, a binary chunk (Khronos specification, section 4.4).
"""

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datasets.conventions import WORLD_FROM_GLTF, Array

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
FLOAT, UNSIGNED_INT = 5126, 5125


@dataclass(frozen=True)
class Primitive:
    """Triangles of one material, ready for the graphics pipeline, in the canonical world frame.

    vertices and normals (V,3); uv (V,2), v up; faces (F,3); texture (H,W,3) uint8 sRGB, repeated; roughness 0 to 1.
    """

    name: str
    vertices: Array
    normals: Array
    uv: Array
    faces: Array
    texture: Array
    roughness: float


def write(path: Path, primitives: list[Primitive], extras: dict[str, Any]) -> None:
    """Write a GLB whose `asset.extras` are `extras` and the binary chunk's sha256: temporary name, flush, rename."""
    document, binary = _document(primitives)
    document["asset"]["extras"] = {**extras, "sha256": hashlib.sha256(binary).hexdigest()}
    text = json.dumps(document, sort_keys=True, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    header = struct.pack("<III", MAGIC, 2, 28 + len(text) + len(binary))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(header + struct.pack("<II", len(text), JSON_CHUNK) + text)
            file.write(struct.pack("<II", len(binary), BINARY_CHUNK) + binary)
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


def _document(primitives: list[Primitive]) -> tuple[dict[str, Any], bytes]:
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "phidias"},
        "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0, "name": "person"}], "meshes": [{"primitives": []}],
        "accessors": [], "bufferViews": [], "images": [], "materials": [], "samplers": [{"wrapS": 10497, "wrapT": 10497}], "textures": [],
    }  # fmt: skip
    binary = bytearray()

    def view(data: bytes) -> int:
        document["bufferViews"].append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
        binary.extend(data + b"\0" * (-len(data) % 4))
        return len(document["bufferViews"]) - 1

    def accessor(values: Array, component: int, kind: str) -> int:
        entry = {"bufferView": view(values.tobytes()), "componentType": component, "count": len(values), "type": kind}
        if component == FLOAT:
            entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        document["accessors"].append(entry)
        return len(document["accessors"]) - 1

    for index, part in enumerate(primitives):
        gltf = WORLD_FROM_GLTF[:3, :3]  # v @ M is v through the inverse, M being a rotation
        attributes = {
            "POSITION": accessor((part.vertices @ gltf).astype("<f4"), FLOAT, "VEC3"),
            "NORMAL": accessor(_unit(part.normals @ gltf).astype("<f4"), FLOAT, "VEC3"),
            "TEXCOORD_0": accessor(np.stack([part.uv[:, 0], 1 - part.uv[:, 1]], axis=1).astype("<f4"), FLOAT, "VEC2"),
        }
        faces = accessor(part.faces.reshape(-1).astype("<u4"), UNSIGNED_INT, "SCALAR")
        document["meshes"][0]["primitives"].append({"attributes": attributes, "indices": faces, "material": index})
        document["images"].append({"bufferView": view(_jpeg(part.texture)), "mimeType": "image/jpeg", "name": part.name})
        document["textures"].append({"source": index, "sampler": 0})
        surface = {"baseColorTexture": {"index": index}, "metallicFactor": 0.0, "roughnessFactor": part.roughness}
        document["materials"].append({"name": part.name, "pbrMetallicRoughness": surface})
    document["buffers"] = [{"byteLength": len(binary)}]
    return document, bytes(binary)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-20)


def _jpeg(image: Array) -> bytes:
    ok, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 93])
    if not ok:
        raise ValueError(f"cannot encode a texture of shape {image.shape}, {image.dtype}")
    return data.tobytes()
