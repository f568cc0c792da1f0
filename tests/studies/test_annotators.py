"""Simulated annotators err as they are told to."""

from __future__ import annotations

import numpy as np

from parfocal.studies.annotators import Annotator, looking_at

PLANES_UM = np.arange(80.0, 121.0)


def planes_of(annotator: Annotator, *, seed: int = 0) -> np.ndarray:
    return np.array(
        [
            annotator.plane_um(PLANES_UM, 100.0, looking_at(f"s{k}", annotator.name, seed=seed))
            for k in range(400)
        ]
    )


def test_bias_and_jitter_come_out_in_whole_planes() -> None:
    chosen = planes_of(Annotator("H1", bias_um=1.5, jitter_um=2.0))
    assert set(chosen) <= set(PLANES_UM)
    assert abs(chosen.mean() - 101.5) < 0.35
    assert abs(chosen.std() - np.hypot(2.0, 12**-0.5)) < 0.25


def test_a_position_beyond_the_stack_is_its_last_plane() -> None:
    assert set(planes_of(Annotator("H1", bias_um=50.0, jitter_um=0.0))) == {120.0}


def test_single_images_have_a_jitter_of_their_own_and_the_bias_turned_round() -> None:
    person = Annotator("H1", bias_um=1.0, jitter_um=0.0, single_image_jitter_um=3.0)
    told = np.array([person.image_um(5.0, looking_at(f"s{k}", "H1", seed=1)) for k in range(400)])
    assert abs(told.mean() - 4.0) < 0.5 and 2.6 < told.std() < 3.4


def test_a_second_look_is_another_and_two_people_differ() -> None:
    first, second = Annotator("H1", 0.0, 1.0), Annotator("H2", 0.0, 1.0)
    assert (planes_of(first) == planes_of(first)).all()
    assert (planes_of(first) != planes_of(first, seed=1)).any()
    assert (planes_of(first) != planes_of(second)).any()
