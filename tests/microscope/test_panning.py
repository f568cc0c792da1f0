import numpy as np
import pytest

from parfocal.microscope.panning import panned

Y, X = np.mgrid[0:48, 0:64]


def scenery(x, y):
    waves = np.cos(2 * np.pi * (3 * x / 64 + 2 * y / 48)) + 0.5 * np.sin(2 * np.pi * 7 * x / 64)
    return (1 + 0.2 * waves).astype(np.float32)


@pytest.mark.parametrize("step", [(0.0, 0.0), (5.0, -3.0), (0.3, 0.0), (-20.7, 11.25), (64.0, 48.0)])
def test_a_periodic_image_is_seen_from_further_along(step):
    x_px, y_px = step
    seen = panned(scenery(X, Y), x_px=x_px, y_px=y_px)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, scenery(X + x_px, Y + y_px), atol=1e-5)
