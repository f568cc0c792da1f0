"""ZStack: checked, frozen, and honest about defocus; and the depth of field."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parfocal.errors import InputError
from parfocal.zstack import ZStack, depth_of_field_um

FRAMES = np.zeros((3, 4, 5), np.uint16)
Z_UM = [-1.0, 0.0, 1.0]


def test_a_stack_tells_its_planes_and_its_frame() -> None:
    stack = ZStack(FRAMES, Z_UM, 0.24, {"sample": "yeast"})
    assert (stack.n_planes, stack.frame_shape_yx, stack.pixel_size_um) == (3, (4, 5), 0.24)
    assert stack.metadata == {"sample": "yeast"}


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=5, unique=True).map(sorted), st.floats(-1e4, 1e4))
def test_defocus_is_positive_above_focus_and_its_negative_restores_focus(
    z_um: list[float], focus_z_um: float
) -> None:
    defocus_um = ZStack(np.zeros((len(z_um), 2, 2), np.uint8), z_um, 0.24).defocus_um(focus_z_um)
    assert np.array_equal(defocus_um > 0, np.array(z_um) > focus_z_um)
    np.testing.assert_allclose(np.array(z_um) - defocus_um, focus_z_um, atol=1e-9)


def test_nothing_of_a_stack_can_be_written_into() -> None:
    stack = ZStack(FRAMES, Z_UM, 0.24, {"sample": "yeast"})
    with pytest.raises(ValueError, match="read-only"):
        stack.frames_zyx[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        stack.z_um[0] = 5.0
    with pytest.raises(TypeError):
        stack.metadata["sample"] = "another"  # type: ignore[index]
    with pytest.raises(AttributeError):
        stack.pixel_size_um = 1.0  # type: ignore[misc]


def test_the_arrays_of_the_caller_stay_writable_and_their_positions_apart() -> None:
    frames, z_um = FRAMES.copy(), np.array(Z_UM)
    stack = ZStack(frames, z_um, 0.24)
    frames[0, 0, 0], z_um[0] = 7, -9.0
    assert stack.z_um[0] == -1.0


def test_a_stack_travels_to_another_process_unchanged() -> None:
    stack = ZStack(np.arange(60, dtype=np.uint16).reshape(3, 4, 5), Z_UM, 0.24, {"sample": "yeast"})
    copy = pickle.loads(pickle.dumps(stack))
    np.testing.assert_array_equal(copy.frames_zyx, stack.frames_zyx)
    np.testing.assert_array_equal(copy.z_um, stack.z_um)
    assert (copy.pixel_size_um, copy.metadata) == (stack.pixel_size_um, stack.metadata)
    assert not copy.frames_zyx.flags.writeable


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"frames_zyx": np.zeros((4, 5), np.uint16)}, "shape", id="one plane without z"),
        pytest.param({"frames_zyx": np.zeros((3, 0, 5), np.uint16)}, "at least one pixel", id="no pixels"),
        pytest.param({"frames_zyx": FRAMES.astype(np.float64)}, "float64. Convert", id="float64"),
        pytest.param({"frames_zyx": FRAMES.astype(np.int16)}, "int16", id="signed"),
        pytest.param({"z_um": [0.0, 1.0]}, "one z position for each of 3", id="a position too few"),
        pytest.param({"z_um": [0.0, 1.0, float("nan")]}, "finite", id="unknown position"),
        pytest.param({"z_um": [0.0, 2.0, 1.0]}, "increase", id="unsorted"),
        pytest.param({"z_um": [0.0, 1.0, 1.0]}, "increase", id="a position twice"),
        pytest.param({"pixel_size_um": 0.0}, "above 0 um, got 0.0", id="no pixel size"),
        pytest.param({"pixel_size_um": float("inf")}, "above 0 um", id="infinite pixels"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], said: str) -> None:
    values: dict[str, Any] = {"frames_zyx": FRAMES, "z_um": Z_UM, "pixel_size_um": 0.24}
    with pytest.raises(InputError, match=said):
        ZStack(**(values | changes))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_grey_values_of_cameras_are_taken_as_they_are(dtype: type[np.generic]) -> None:
    assert ZStack(FRAMES.astype(dtype), Z_UM, 0.24).frames_zyx.dtype == dtype


def test_depth_of_field_follows_the_makers_formula() -> None:
    optics = {"wavelength_um": 0.56, "numerical_aperture": 1.3, "immersion_index": 1.515}
    diffraction_um = 0.56 * 1.515 / 1.3**2
    assert depth_of_field_um(**optics, pixel_size_um=0.0) == pytest.approx(diffraction_um)
    assert depth_of_field_um(**optics, pixel_size_um=0.06) == pytest.approx(
        diffraction_um + 1.515 * 0.06 / 1.3
    )
