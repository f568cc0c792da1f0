"""Which microscopes a model serves; one of many is made ready for the microscope at hand."""

from __future__ import annotations

import numpy as np
import pytest
from small_world import PIXEL_UM, frame_at, fresh_model

from parfocal.data import DatasetSettings, ObjectiveRecord
from parfocal.errors import InputError, ModelError, SettingsError
from parfocal.model import FocusEstimator
from parfocal.model.serving import index_of, is_of_many, ready_for, ready_for_dataset
from parfocal.model.similar_optics import Optics, similar_pixel_um, stretch_between
from parfocal.optics import draw_low_aperture, draw_microscope, similarity

HEADER, ARRAYS = fresh_model()
"""Of one microscope: pixels of 0.5 um, NA 0.9 in air."""
MANY = HEADER.replace(apertures=(0.25, 1.4))
OIL = {"numerical_aperture": 1.2, "immersion_index": 1.515}


@pytest.mark.parametrize(
    "optics", [{}, {"numerical_aperture": 0.9}, {"numerical_aperture": 0.92, "immersion_index": 1.0}]
)
def test_the_objective_that_a_model_was_made_for_is_taken(optics: dict) -> None:
    assert ready_for(HEADER, **optics) is HEADER


@pytest.mark.parametrize(
    ("optics", "told"),
    [
        ({"numerical_aperture": 1.3}, r"made for NA 0\.9, got 1\.3"),
        ({"numerical_aperture": 0.0}, r"NA 0\.9, got 0"),
        ({"wavelength_um": 0.45}, r"light of um 0\.55, got 0\.45"),
        ({"immersion_index": 1.515}, r"immersion of index 1, got 1\.515"),
        ({"numerical_aperture": 0.9, "immersion_index": 1.33}, r"got 1\.33"),
    ],
)
def test_another_objective_is_refused_by_a_model_of_one(optics: dict, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        ready_for(HEADER, **optics)


def test_an_objective_is_checked_where_the_light_is_not_known() -> None:
    dark = HEADER.replace(wavelength_um=None)
    assert ready_for(dark, wavelength_um=0.45) is dark
    with pytest.raises(ModelError, match=r"made for NA 0\.9, got 1\.2"):
        ready_for(dark, **OIL)


def test_nanometres_are_not_taken_for_micrometres() -> None:
    with pytest.raises(SettingsError, match=r"light of 0\.2 to 2 um, got 550 um"):
        ready_for(MANY, pixel_size_um=0.1, wavelength_um=550.0, **OIL)


def test_only_a_model_made_ready_now_takes_finer_pixels() -> None:
    frame = np.kron(frame_at(1.0, seed=3), np.ones((2, 2), np.uint16))
    ready = ready_for(MANY, pixel_size_um=0.2, **OIL)
    FocusEstimator(MANY, ARRAYS, fingerprint="0").with_header(ready).estimate(frame, pixel_size_um=0.1)
    mine = FocusEstimator(ready, ARRAYS, fingerprint="0")
    with pytest.raises(ModelError, match="--rescale"):
        mine.with_header(ready_for(ready, **OIL)).estimate(frame, pixel_size_um=0.1)


def test_an_immersion_that_does_not_exist_is_told_with_those_that_do() -> None:
    assert index_of("oil") == 1.515
    with pytest.raises(InputError, match=r"air, water, oil; got 'beer'"):
        index_of("beer")


def test_any_objective_is_taken_where_the_models_is_unknown() -> None:
    unknown = HEADER.replace(objective=None)
    assert ready_for(unknown, **OIL) is unknown


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"modality": "phase contrast"}, "is phase contrast"),
        (
            {"objective": ObjectiveRecord(numerical_aperture=0.3, magnification=10, immersion_index=1)},
            r"NA 0\.9, got 0\.3",
        ),
    ],
    ids=["modality", "objective"],
)
def test_a_dataset_of_other_optics_is_refused_by_a_model_of_one(change: dict, told: str) -> None:
    settings = DatasetSettings(name="mine", pixel_size_um=0.24, modality=HEADER.modality)
    assert ready_for_dataset(HEADER, settings) is HEADER
    with pytest.raises(ModelError, match=told):
        ready_for_dataset(HEADER, settings.replace(**change))


def test_a_model_of_many_answers_in_um_of_the_stage_at_hand() -> None:
    ready = ready_for(MANY, pixel_size_um=0.1, wavelength_um=0.5, **OIL)
    assert is_of_many(MANY) and not is_of_many(ready)
    known = MANY.known_optics
    assert known is not None
    # As many pixels to the wavelength over the aperture as where it learned.
    pixel_um = PIXEL_UM * (0.5 / 1.2) / known.detail_um
    assert ready.working_pixel_size_um == pytest.approx(pixel_um)
    expected = (pixel_um / PIXEL_UM) ** 2 * 1.515 * known.wavelength_um / 0.5
    assert ready.stretch == pytest.approx(expected)
    assert ready.answer_range_um == pytest.approx(tuple(expected * z for z in MANY.z_range_um))
    np.testing.assert_allclose(ready.answer_bins.centres_um, expected * MANY.bins.centres_um)


def test_a_frame_averaged_to_the_same_pixels_gets_the_same_answer_stretched() -> None:
    frame = frame_at(1.0, seed=3)
    ready = ready_for(MANY, pixel_size_um=0.1, **OIL)
    own = FocusEstimator(MANY, ARRAYS, fingerprint="own").estimate(frame, pixel_size_um=PIXEL_UM)
    there = FocusEstimator(MANY, ARRAYS, fingerprint="own").with_header(ready)
    told = there.estimate(frame, pixel_size_um=ready.working_pixel_size_um)
    assert told.defocus_um == pytest.approx(ready.stretch * own.defocus_um, abs=1e-6)
    assert told.std_um == pytest.approx(ready.stretch * own.std_um, abs=1e-6)
    assert told.accepted == own.accepted
    fine = np.kron(frame, np.ones((3, 3), frame.dtype))
    again = there.estimate(fine, pixel_size_um=ready.working_pixel_size_um / 3)
    assert again.defocus_um == pytest.approx(told.defocus_um, abs=1e-3)


def test_a_model_of_many_needs_to_know_the_objective() -> None:
    with pytest.raises(InputError, match="--na NA and --pixel-size UM, and --immersion"):
        ready_for(MANY)
    with pytest.raises(InputError, match="serves many: --na NA, and --immersion"):
        ready_for(MANY, pixel_size_um=0.1)
    with pytest.raises(InputError, match="--immersion oil or water"):
        ready_for(MANY, pixel_size_um=0.1, numerical_aperture=1.2)
    with pytest.raises(ModelError, match=r"Add \[objective\]"):
        ready_for_dataset(MANY, DatasetSettings(name="mine", pixel_size_um=0.1, modality=MANY.modality))
    with pytest.raises(SettingsError, match="below the immersion index"):
        ready_for(MANY, pixel_size_um=0.1, numerical_aperture=1.2, immersion_index=1.0)


def test_what_a_model_of_many_does_not_know_is_refused() -> None:
    with pytest.raises(ModelError, match=r"NA 0\.25 to 1\.4, got NA 0\.1\b"):
        ready_for(MANY, pixel_size_um=2.0, numerical_aperture=0.1)
    with pytest.raises(ModelError, match=r"pixels of at most .* um at NA 0\.5, got 2 um"):
        ready_for(MANY, pixel_size_um=2.0, numerical_aperture=0.5)


def test_once_ready_it_is_a_model_of_that_microscope() -> None:
    ready = ready_for(MANY, pixel_size_um=0.1, **OIL)
    assert ready_for(ready, **OIL) is ready
    with pytest.raises(ModelError, match=r"NA 1\.2, got 0\.5"):
        ready_for(ready, numerical_aperture=0.5)


def test_a_dataset_makes_it_ready_by_what_it_tells() -> None:
    objective = ObjectiveRecord(numerical_aperture=0.5, magnification=20, immersion_index=1)
    settings = DatasetSettings(
        name="mine", pixel_size_um=0.325, objective=objective, modality=MANY.modality, wavelength_um=0.6
    )
    ready = ready_for_dataset(MANY, settings)
    assert ready == ready_for(MANY, pixel_size_um=0.325, numerical_aperture=0.5, wavelength_um=0.6)


def test_answers_at_an_end_of_the_range_of_a_model_of_many_are_not_accepted() -> None:
    """Where frames from beyond it gather, on whichever side."""
    ready = ready_for(MANY, pixel_size_um=0.1, **OIL)
    frames = [frame_at(z_um, seed=3) for z_um in (-4.0, 0.0, 4.0)]
    narrow = ready.replace(z_range_um=(-0.1, 0.1))
    for header, expected in ((ready.replace(z_range_um=(-50.0, 50.0)), True), (narrow, False)):
        estimator = FocusEstimator(MANY, ARRAYS, fingerprint="0").with_header(header)
        told = [estimator.estimate(f, pixel_size_um=ready.working_pixel_size_um) for f in frames]
        assert [one.accepted for one in told] == [expected] * 3
    mine = FocusEstimator(HEADER.replace(z_range_um=(-0.1, 0.1)), ARRAYS, fingerprint="0")
    assert mine.estimate(frames[0], pixel_size_um=PIXEL_UM).accepted


def test_pixels_a_little_too_coarse_are_taken_as_they_are() -> None:
    ours = Optics(pixel_size_um=1.1, numerical_aperture=0.5, immersion_index=1)
    theirs = Optics(pixel_size_um=1.0, numerical_aperture=0.5, immersion_index=1)
    assert similar_pixel_um(ours, theirs) == 1.1
    assert similar_pixel_um(ours.replace(pixel_size_um=0.3), theirs) == pytest.approx(1.0)


@pytest.mark.parametrize("draw", [draw_microscope, draw_low_aperture])
def test_stretching_is_what_the_virtual_microscope_calls_similar(draw) -> None:
    one, other = (draw(np.random.default_rng([4, k])) for k in (1, 2))
    said = [(m.camera.pixel_size_um, m.objective.immersion_index, m.spectrum.centre_um) for m in (one, other)]
    assert stretch_between(*said) == pytest.approx(similarity(one, other).along)
