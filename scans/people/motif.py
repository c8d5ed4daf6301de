"""Pictures for prints: words, numbers, badges and landscapes, drawn; (h,w,4) float, colour times cover, and cover."""

from collections.abc import Callable

import cv2
import numpy as np

from datasets.conventions import Array

WORDS = [
    "NORTH",
    "COAST",
    "PACIFIC",
    "WILD",
    "SUMMER",
    "ATHLETIC",
    "ALPINE",
    "RIVER",
    "STUDIO",
    "MOTEL",
    "OCEAN",
    "CITY",
    "RUN",
    "ARCADE",
    "UNION",
]
SIZE, INK = 512, (255.0,)
FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX)

#: Something that is drawn with cv2 into one plane of cover, (SIZE,SIZE) uint8.
Plane = Array


def draw_motif(colours: Array, rng: np.random.Generator) -> Array:
    """A motif in some of the colours (N,3), cut to what it covers."""
    kinds: list[Callable[[Array, np.random.Generator], list[tuple[Plane, Array]]]] = [_words, _words, _number, _badge, _landscape, _shapes]
    image = np.zeros((SIZE, SIZE, 4), np.float32)
    for plane, colour in kinds[rng.integers(len(kinds))](np.asarray(colours), rng):
        cover = plane.astype(np.float32)[..., None] / 255
        image = image * (1 - cover) + cover * np.append(colour, 1.0).astype(np.float32)
    rows, columns = np.nonzero(image[..., 3] > 0.02)
    return np.pad(image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], ((4, 4), (4, 4), (0, 0)))


def _plane() -> Plane:
    return np.zeros((SIZE, SIZE), np.uint8)


def _text(plane: Plane, text: str, middle: tuple[float, float], width: float, font: int, thick: float, height: float = np.inf) -> None:
    """Text about a middle, at most as wide and as high (pixels); thick: of its strokes, relative to its height."""
    (wide, high), _ = cv2.getTextSize(text, font, 1.0, 1)
    scale = min(width / wide, height / high)
    origin = (int(middle[0] - wide * scale / 2), int(middle[1] + high * scale / 2))
    cv2.putText(plane, text, origin, font, scale, INK, max(1, int(thick * high * scale)), cv2.LINE_AA)


def _words(colours: Array, rng: np.random.Generator) -> list[tuple[Plane, Array]]:
    first, second, font, thick = _plane(), _plane(), int(rng.choice(FONTS)), rng.uniform(0.12, 0.30)
    lines = rng.choice(WORDS, int(rng.integers(1, 3)), replace=False)
    for i, word in enumerate(lines):
        _text(first, str(word), (256, 200 + 110 * i), 440, font, thick, 90)
    if rng.random() < 0.6:
        y = 265 + 110 * (len(lines) - 1)
        cv2.line(second, (70, y), (442, y), INK, int(rng.integers(3, 12)), cv2.LINE_AA)
        _text(second, f"EST. {rng.integers(1950, 2020)}", (256, y + 34), 180, cv2.FONT_HERSHEY_DUPLEX, 0.10)
    return [(first, colours[0]), (second, colours[-1])]


def _number(colours: Array, rng: np.random.Generator) -> list[tuple[Plane, Array]]:
    outline, inner = _plane(), _plane()
    text = str(rng.integers(1, 100))
    _text(outline, text, (256, 256), 330, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 300)
    _text(inner, text, (256, 256), 330, cv2.FONT_HERSHEY_SIMPLEX, 0.26, 300)
    return [(outline, colours[-1]), (inner, colours[0])]


def _badge(colours: Array, rng: np.random.Generator) -> list[tuple[Plane, Array]]:
    ring, letter = _plane(), _plane()
    if rng.random() < 0.6:
        cv2.circle(ring, (256, 256), 200, INK, int(rng.choice([10, 24, -1])), cv2.LINE_AA)
    else:
        cv2.fillPoly(ring, [np.array([[80, 80], [432, 80], [432, 270], [256, 440], [80, 270]])], INK, cv2.LINE_AA)
    filled = ring[256, 256] > 0
    _text(letter, "".join(rng.choice(list("ABCDEHKLMNRSTV"), int(rng.integers(1, 3)))), (256, 250), 200, int(rng.choice(FONTS)), 0.2, 170)
    return [(ring, colours[0]), (letter, colours[-1] if filled else colours[0])]


def _landscape(colours: Array, rng: np.random.Generator) -> list[tuple[Plane, Array]]:
    """A sun behind ridges, in a disc."""
    disc, sun, planes = _plane(), _plane(), []
    cv2.circle(disc, (256, 256), 220, INK, -1, cv2.LINE_AA)
    cv2.circle(sun, (int(rng.integers(180, 330)), 210), int(rng.integers(50, 90)), INK, -1, cv2.LINE_AA)
    x = np.arange(0, SIZE + 1, 32)
    shades = [colours[0], colours[-1], 0.5 * colours[-1]]
    for level, colour in zip((270, 330, 400), shades, strict=True):
        ridge = level + rng.normal(0, 24, len(x))
        plane = _plane()
        cv2.fillPoly(plane, [np.concatenate([np.stack([x, ridge], axis=1), [[SIZE, SIZE], [0, SIZE]]]).astype(np.int32)], INK, cv2.LINE_AA)
        planes.append((np.minimum(plane, disc), colour))
    sky = 0.6 + 0.4 * colours[0]
    return [(disc, sky), (np.minimum(sun, disc), np.array([0.93, 0.55, 0.25])), *planes]


def _shapes(colours: Array, rng: np.random.Generator) -> list[tuple[Plane, Array]]:
    planes = []
    for _ in range(rng.integers(2, 5)):
        plane, x, y, size = _plane(), *(int(v) for v in rng.integers(150, 362, 2)), int(rng.integers(50, 140))
        kind = rng.integers(3)
        if kind == 0:
            cv2.circle(plane, (x, y), size, INK, int(rng.choice([-1, 14])), cv2.LINE_AA)
        elif kind == 1:
            turn = rng.uniform(0, 6.28) + np.arange(3) * 2.09
            cv2.fillPoly(plane, [np.stack([x + size * np.cos(turn), y + size * np.sin(turn)], axis=1).astype(np.int32)], INK, cv2.LINE_AA)
        else:
            for i in range(5):
                cv2.line(plane, (x - size, y - size + i * size // 2), (x + size, y - size + i * size // 2), INK, 14, cv2.LINE_AA)
        planes.append((plane, colours[rng.integers(len(colours))]))
    return planes
