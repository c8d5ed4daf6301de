"""From the model's size to the picture's and back: letterbox, resize, sliding windows, mirrored averages."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from train import inference
from train.inference import How


class Stub(nn.Module):
    """Stands in for a model: `paint(picture (B,3,H,W))` gives the raw predictions."""

    def __init__(self, tasks: list[str], size: tuple[int, int], paint: Any) -> None:
        super().__init__()
        self.tasks, self.size, self.paint = tasks, size, paint
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        raw: dict[str, Tensor] = self.paint(picture)
        return raw


def plane(height: int, width: int) -> Tensor:
    """A picture (3,H,W) whose red grows to the right and down, all of whose pixels differ little from their neighbours'."""
    y, x = np.mgrid[0:height, 0:width]
    red = (40 + 150 * (x / width + y / height) / 2).astype(np.uint8)
    return torch.from_numpy(np.stack([red, 255 - red, red // 2]))


@pytest.mark.parametrize("mode", ["letterbox", "resize"])
def test_values_come_back_to_the_pixels_they_are_of(mode: str) -> None:
    """Pictures of four shapes share a batch; a prediction that copies the picture lies on it to half a level."""
    model: Any = Stub(["depth"], (40, 56), lambda picture: {"depth": picture[:, :1]})
    pictures = [plane(*shape) for shape in ((80, 112), (61, 33), (20, 90), (30, 30))]
    for picture, maps in zip(pictures, inference.predict(model, pictures, How(mode)), strict=True):
        assert maps["depth"].shape == picture.shape[1:] and maps["depth"].dtype == np.float32
        inner = np.s_[4:-4, 4:-4]  # at the border the nearest pixel stands in
        np.testing.assert_allclose(maps["depth"][inner], picture[0].numpy()[inner] / 255, atol=0.016)


def test_another_size_is_what_the_model_sees() -> None:
    seen = []
    model: Any = Stub(["depth"], (8, 8), lambda picture: seen.append(picture.shape[-2:]) or {"depth": picture[:, :1]})
    inference.predict(model, [plane(20, 30)], How(size=(24, 16)))
    assert seen == [(24, 16)]


def _lopsided(seed: int) -> Stub:
    torch.manual_seed(seed)
    layer = nn.Conv2d(3, 8, 5, padding=2)

    def paint(picture: Tensor) -> dict[str, Tensor]:
        maps = layer(picture)
        return {"normal": maps[:, :3], "depth": maps[:, 3:4], "pointmap": maps[:, 4:7], "pointmap_scale": maps[:, 7].mean((1, 2))[:, None]}

    return Stub(["normal", "depth", "pointmap"], (24, 32), paint)


@pytest.mark.parametrize("mode", inference.MODES)
def test_averaged_with_its_mirror_image_a_prediction_is_mirrored_with_the_picture(mode: str) -> None:
    """However lopsided the network; x of normals and points changes its sign, nothing else does."""
    model: Any = _lopsided(0)
    picture = torch.randint(0, 255, (3, 36, 50), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    here, there = (inference.predict(model, [p], How(mode, flip=True))[0] for p in (picture, picture.flip(-1)))
    for name, sign in {"normal": [-1, 1, 1], "pointmap": [-1, 1, 1]}.items():
        np.testing.assert_allclose(there[name], here[name][:, ::-1] * sign, atol=2e-4)
    np.testing.assert_allclose(there["depth"], here["depth"][:, ::-1], atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(here["normal"], axis=-1), 1, atol=1e-5)
    plain = inference.predict(model, [picture.flip(-1)], How(mode))[0]
    assert np.abs(plain["depth"] - here["depth"][:, ::-1]).max() > 0.01, "without it, it is not"


@pytest.mark.parametrize("shape", [(280, 400), (80, 400), (280, 80)])
def test_windows_of_any_scale_and_shift_blend_to_a_plane_without_seams(shape: tuple[int, int]) -> None:
    """Each window's depth comes with a scale and a shift of its own, as relative depth does; the whole frame's count."""
    rng = np.random.default_rng(0)
    calls = []

    def paint(picture: Tensor) -> dict[str, Tensor]:
        scale, shift = (2.0, 0.1) if not calls else (rng.uniform(0.5, 4), rng.uniform(-1, 1))
        calls.append(picture.shape)
        return {"depth": picture[:, :1] * scale + shift, "alpha": picture[:, :1]}

    model: Any = Stub(["depth", "alpha"], (96, 128), paint)
    picture = plane(*shape)
    (maps,) = inference.predict(model, [picture], How("sliding"))
    assert len(calls) > 3
    true = picture[0].numpy() / 255 * 2 + 0.1
    np.testing.assert_allclose(maps["depth"], true, atol=0.04)  # small windows feel the border of the whole frame's values
    for axis in (0, 1):
        step = np.abs(np.diff(maps["depth"], axis=axis)).max()
        assert step < 1.2 * np.abs(np.diff(true, axis=axis)).max(), "no step is larger than one of the picture's own levels"
    alpha = 1 / (1 + np.exp(-(picture[0].numpy() / 255)))
    np.testing.assert_allclose(maps["alpha"], alpha, atol=1e-5, err_msg="what is not relative is not fitted, and exact at full resolution")


def test_a_picture_no_larger_than_the_window_is_seen_whole() -> None:
    model: Any = _lopsided(1)
    pictures = [plane(24, 32), plane(10, 20)]
    for whole, slid in zip(*(inference.predict(model, pictures, How(mode)) for mode in ("letterbox", "sliding")), strict=True):
        assert all(np.array_equal(whole[name], slid[name]) for name in whole)


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(1, 300), st.integers(1, 300)), st.tuples(st.integers(8, 90), st.integers(8, 90)))
def test_windows_cover_the_picture_and_overlap(picture: tuple[int, int], size: tuple[int, int]) -> None:
    corners = list(inference._corners(picture, size))
    for axis in (0, 1):
        starts = sorted({corner[axis] for corner in corners})
        assert starts[0] == 0 and starts[-1] == max(picture[axis] - size[axis], 0)
        steps = np.diff(starts)
        assert (steps <= size[axis] * (1 - inference.OVERLAP) + 1.5).all() and (steps > 0).all()
    assert len(corners) == len({*corners}) and len(corners) == len({y for y, _ in corners}) * len({x for _, x in corners})


def test_bands_of_rows_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = _lopsided(2)
    (whole,) = inference.predict(model, [plane(90, 50)])
    monkeypatch.setattr(inference, "BAND", 7)
    (banded,) = inference.predict(model, [plane(90, 50)])
    for name in whole:
        np.testing.assert_allclose(banded[name], whole[name], atol=1e-4)


def test_a_batchs_padding_does_not_enter() -> None:
    model: Any = _lopsided(3)
    pictures = [plane(20, 44), plane(40, 30)]
    batch = torch.full((2, 3, 40, 44), 255, dtype=torch.uint8)
    for row, picture in zip(batch, pictures, strict=True):
        row[:, : picture.shape[1], : picture.shape[2]] = picture
    padded = inference.infer(model, batch, torch.tensor([[20, 44], [40, 30]]))
    for got, wanted in zip(padded, inference.predict(model, pictures), strict=True):
        assert all(np.array_equal(got[name], wanted[name]) for name in wanted)
