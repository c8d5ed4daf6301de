"""Pixels and camera-space points go into each other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datasets.conventions import camera_rays, inverse, pixel_centres

FOCAL, OFFSET = st.floats(50, 5000), st.floats(-3000, 3000)


@given(FOCAL, FOCAL, st.floats(-50, 50), OFFSET, OFFSET)
def test_intrinsics_with_skew_are_inverted(fx: float, fy: float, skew: float, cx: float, cy: float) -> None:
    K = np.array([[fx, skew, cx], [0, fy, cy], [0, 0, 1]])
    np.testing.assert_allclose(K @ inverse(K), np.eye(3), atol=1e-11)
    projected = camera_rays(K, 3, 4) @ K.T
    np.testing.assert_allclose(projected[..., :2], pixel_centres(3, 4), atol=1e-8)
    np.testing.assert_allclose(projected[..., 2], 1)


def test_any_matrix_is_inverted() -> None:
    matrix = np.random.default_rng(0).normal(size=(3, 3))
    np.testing.assert_allclose(inverse(matrix) @ matrix, np.eye(3), atol=1e-12)
