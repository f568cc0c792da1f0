"""Microscopes drawn at random make sense, and similar ones show the same images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from parfocal.optics import (
    REFERENCE,
    BeadSettings,
    VirtualMicroscope,
    draw_foreign,
    draw_low_aperture,
    draw_microscope,
    preset,
    similarity,
    simulate_stack,
)


def test_every_draw_is_a_microscope_that_can_be_simulated() -> None:
    drawn = [draw_microscope(np.random.default_rng([4, k])) for k in range(150)]  # settings check themselves
    assert len({one.specimens[0].kind for one in drawn}) == 5
    assert len({one.objective.immersion_index for one in drawn}) == 3
    condensers = [one.condenser.numerical_aperture for one in drawn]
    assert 0.13 <= min(condensers) < 0.17 and 0.45 < max(condensers) <= 0.55


def test_every_draw_of_low_aperture_is_a_microscope_that_can_be_simulated() -> None:
    drawn = [draw_low_aperture(np.random.default_rng([4, k])) for k in range(150)]
    assert {one.specimens[0].kind for one in drawn} == {"yeast", "rods", "adherent", "beads", "euglena"}
    apertures = {one.objective.numerical_aperture for one in drawn}
    assert len(apertures) == 8 and max(apertures) < 0.9
    coherence = [one.condenser.numerical_aperture / one.objective.numerical_aperture for one in drawn]
    assert 0.12 <= min(coherence) < 0.15 and 0.8 < max(coherence) <= 0.9


def test_what_must_not_be_answered_is_drawn_in_turns() -> None:
    drawn = [draw_foreign(np.random.default_rng([4, k]), number=k) for k in range(64)]
    rings = [one.objective.phase_ring is not None for one in drawn]
    kinds = [{specimen.kind for specimen in one.specimens} for one in drawn]
    assert sum(rings) == 32 and sum(kind == {"debris"} for kind in kinds) == 32
    assert sum(one.objective.numerical_aperture < 0.9 for one in drawn) == 32
    for one in drawn:
        ring, condenser = one.objective.phase_ring, one.condenser
        if ring:
            assert (
                ring.inner_na
                < condenser.inner_numerical_aperture
                < condenser.numerical_aperture
                < ring.outer_na
            )


def test_an_empty_field_shows_nothing_and_a_dusty_one_does() -> None:
    quick = {"grid_um": 0.16, "slice_um": 0.5, "n_source_points": 12}
    contrast = {}
    for number, kind in ((2, "empty"), (6, "dust")):
        drawn = draw_foreign(np.random.default_rng([4, 1]), number=number)
        drawn = drawn.replace(
            quality=quick, camera=drawn.camera.replace(dust_spots=0, vignetting=0, light_tilt=0)
        )
        frames = simulate_stack(drawn, seed=1, index=0).stack.frames_zyx.astype(float)
        noise = np.diff(frames, axis=2).std() / np.sqrt(2)
        contrast[kind] = frames.std(axis=(1, 2)).max() / noise
    assert contrast["empty"] == pytest.approx(1.0, abs=0.1) and contrast["dust"] > 1.3


def test_the_same_seed_draws_the_same_microscope() -> None:
    one, same, other = (draw_microscope(np.random.default_rng([4, k])) for k in (1, 1, 2))
    assert one == same != other


def test_a_small_cell_whose_edge_has_no_room_for_a_granule() -> None:
    microscope = draw_microscope(np.random.default_rng([4, 465]))
    assert microscope.specimens[0].kind == "adherent"
    scan = microscope.scan.replace(half_range_um=1.0, step_um=1.0, focus_jitter_um=0.1)
    made = simulate_stack(microscope.replace(scan=scan), seed=4, index=465, experiment=465)
    assert np.isfinite(made.stack.frames_zyx).all()


@pytest.mark.parametrize("draw", [draw_microscope, draw_low_aperture])
def test_scans_reach_as_far_at_the_reference(draw: Callable[..., VirtualMicroscope]) -> None:
    for k in range(30):
        drawn = draw(np.random.default_rng([4, k]))
        assert drawn.scan.half_range_um / similarity(drawn, REFERENCE).along == pytest.approx(16)


STILL = {"half_range_um": 8.0, "step_um": 8.0, "focus_jitter_um": 0.0, "stage_jitter_um": 0.0}
CLEAR = {"background_electrons": 1e7, "electrons_per_count": 1e4, "dust_spots": 0, "prnu": 0.0}
EVEN = {"height_px": 128, "width_px": 128, "vignetting": 0.0, "light_tilt": 0.0}


def one_bead(size: float) -> VirtualMicroscope:
    """A bead that delays light alike whatever its size, through apertures smaller as it is larger."""
    usual = preset("yeast-40x")
    return usual.replace(
        objective=usual.objective.replace(numerical_aperture=1.3 / size),
        condenser={"numerical_aperture": 0.3 / size},
        camera={"pixel_size_um": 0.24 * size, **CLEAR, **EVEN},
        specimens=(
            BeadSettings(
                fewest_beads=1,
                most_beads=1,
                smallest_diameter_um=size,
                largest_diameter_um=1.001 * size,
                on_floor=1.0,
                index=1.337 + 0.1 / size,
            ),
        ),
        chamber={"pillars": False, "height_um": 6 * size},
        scan={**STILL, "half_range_um": 8 * size**2, "step_um": 8 * size**2},
        days={"condenser_na": 0.0, "cytoplasm_index": 0.0, "light": 0.0},
    )


def test_a_thin_specimen_of_twice_the_size_looks_the_same_four_times_as_far_away() -> None:
    """Fresnel's similarity: only the widest angles, which matter near focus, do not obey it."""
    small, large = one_bead(1.0), one_bead(2.0)
    scales = similarity(large, small)
    assert (scales.across, scales.along) == pytest.approx((2, 4))
    seen = [simulate_stack(one, seed=1, index=0).stack.frames_zyx.astype(float) for one in (small, large)]
    alike = np.array([[np.corrcoef(a.ravel(), b.ravel())[0, 1] for b in seen[1]] for a in seen[0]])
    assert (np.diag(alike) > (0.94, 0.8, 0.97)).all()
    assert (alike[~np.eye(3, dtype=bool)] < 0.2).all()
