import numpy as np
import pytest

from parfocal.errors import DeviceError
from parfocal.microscope import ReplayMicroscope
from parfocal.zstack import ZStack

STACK = ZStack(
    np.arange(5, dtype=np.uint16)[:, None, None] * np.ones((1, 4, 4), np.uint16),
    z_um=[0.0, 1.0, 2.0, 3.0, 4.0],
    pixel_size_um=0.24,
)


@pytest.mark.parametrize(("z_um", "plane"), [(0.0, 0), (0.4, 0), (0.6, 1), (3.9, 4)])
def test_the_plane_nearest_to_the_stage_is_shown(z_um, plane):
    assert np.all(ReplayMicroscope(STACK, start_z_um=z_um).snap() == plane)


def test_it_starts_in_the_middle():
    assert ReplayMicroscope(STACK).position_um() == 2.0


def test_a_start_outside_the_stack_is_refused():
    with pytest.raises(DeviceError, match=r"0.0 to 4.0 um, got 4.1"):
        ReplayMicroscope(STACK, start_z_um=4.1)
