"""Bins of defocus: soft labels mean what they stand for, and any range gets sensible bins."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from parfocal.errors import InputError
from parfocal.model import BinSettings, bins_for_range

BINS = BinSettings(lowest_um=-10, highest_um=10, width_um=0.5)
reach = st.floats(0.01, 1e4)


@given(defocus_um=st.floats(-30, 30), sigma_um=st.sampled_from([0.0, 0.2, 0.5, 2.0]))
def test_soft_labels_sum_to_one(defocus_um: float, sigma_um: float) -> None:
    labels = BINS.soft_labels(torch.tensor([defocus_um]), sigma_um=sigma_um)
    assert labels.shape == (1, BINS.count) and torch.all(labels >= 0)
    assert labels.sum().item() == pytest.approx(1, abs=1e-5)


@given(defocus_um=st.floats(-6, 6), sigma_um=st.floats(0.4, 1.0))
def test_the_expectation_of_a_soft_label_is_the_defocus_away_from_the_edges(
    defocus_um: float, sigma_um: float
) -> None:
    labels = BINS.soft_labels(torch.tensor([defocus_um]), sigma_um=sigma_um)[0].double().numpy()
    assert labels @ BINS.centres_um == pytest.approx(defocus_um, abs=2e-3)


@given(defocus_um=st.floats(-10.24, 10.24))
def test_a_defocus_belongs_to_the_nearest_bin(defocus_um: float) -> None:
    index = int(BINS.index_of(torch.tensor([defocus_um]))[0])
    assert abs(BINS.centres_um[index] - defocus_um) <= BINS.width_um / 2 + 1e-5


@pytest.mark.parametrize(("defocus_um", "index"), [(-99.0, 0), (99.0, 40), (0.0, 20)])
def test_beyond_the_last_bin_is_the_last_bin(defocus_um: float, index: int) -> None:
    assert int(BINS.index_of(torch.tensor([defocus_um]))[0]) == index


def test_a_label_without_width_is_one_hot() -> None:
    labels = BINS.soft_labels(torch.tensor([0.2]), sigma_um=0)
    assert labels[0, 20] == 1 and labels.sum() == 1


@pytest.mark.parametrize(("width_um", "count"), [(1, 41), (2, 21), (4, 11), (5, 9)])
def test_the_papers_bins_have_its_counts(width_um: float, count: int) -> None:
    bins = BinSettings(lowest_um=-20, highest_um=20, width_um=width_um)
    assert bins.count == count == len(bins.centres_um)
    assert np.allclose(np.diff(bins.centres_um), width_um)


@given(ends=st.tuples(st.floats(-1e4, 1e4), reach))
def test_bins_for_a_range_cover_it_and_are_symmetric_with_a_round_width(ends: tuple[float, float]) -> None:
    lowest_um, highest_um = sorted(ends)
    bins = bins_for_range(lowest_um, highest_um)
    assert bins.lowest_um == -bins.highest_um
    # A whole bin is left beyond either end, so that the expectation can reach the end.
    assert bins.highest_um >= max(abs(lowest_um), abs(highest_um)) + bins.width_um * 0.999
    assert 16 <= bins.count <= 46
    mantissa = bins.width_um / 10 ** math.floor(math.log10(bins.width_um) + 1e-9)
    assert any(mantissa == pytest.approx(round_number) for round_number in (1, 2, 2.5, 5))


def test_a_range_of_nothing_but_focus_is_refused() -> None:
    with pytest.raises(InputError, match="out of focus"):
        bins_for_range(0.0, 0.0)
