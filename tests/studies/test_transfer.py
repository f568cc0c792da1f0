"""The study of other systems: who is asked about what, and how far from home it errs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parfocal.optics import RodSettings, YeastSettings
from parfocal.studies.running import run_study
from parfocal.studies.study import SIZES, Results, Size
from parfocal.studies.transfer import (
    BASE,
    DOMAINS,
    OURS,
    PAPER,
    STUDY,
    UNIVERSAL,
    at_home_and_away,
    errors,
    microscope_of,
)


@pytest.fixture(scope="module")
def results(studies_out: Path) -> Results:
    return run_study(STUDY, studies_out, size="toy")


def test_each_network_is_asked_about_each_system(results: Results) -> None:
    assert list(results.cases) == ["2018-base", "2018-pombe", "ours-base", "ours-pombe", UNIVERSAL]
    for told in results.cases.values():
        assert list(told["asked"]) == [BASE, "pombe"]
        assert all(one["n_images"] >= 10 for one in told["asked"].values())


def test_errors_are_told_in_depths_of_the_objective_that_was_asked_about(results: Results) -> None:
    um, depths = errors(results, PAPER, unit="um"), errors(results, PAPER)
    assert um.shape == depths.shape == (2, 2) and errors(results, UNIVERSAL).shape == (1, 2)
    dof_um = [one["dof_um"] for one in results["2018-base"]["asked"].values()]
    assert um == pytest.approx(depths * dof_um)
    assert um[1, 0] == results["2018-pombe"]["asked"][BASE]["mae_um"]


def test_the_shipped_model_reads_both_better_than_two_steps_do(results: Results) -> None:
    assert (errors(results, UNIVERSAL) < errors(results, OURS)).all()


def test_the_figure_shows_three_matrices(results: Results) -> None:
    (drawn,) = STUDY.figures(results).values()
    for axes, network in zip(drawn.figure.axes, (PAPER, OURS, UNIVERSAL), strict=False):
        assert np.array_equal(axes.images[0].get_array(), errors(results, network))
        assert len(axes.texts) == errors(results, network).size


def test_table_and_findings_tell_the_numbers(results: Results) -> None:
    table, (_, _, one_for_all) = STUDY.table(results), STUDY.findings(results)
    assert len(table.rows) == 5 and {len(row) for row in table.rows} == {len(table.columns)}
    shipped = errors(results, UNIVERSAL)[0]
    assert f"fission yeast {shipped[1]:.1f}" in one_for_all.here and one_for_all.verdict == "agrees"


def test_home_is_the_diagonal() -> None:
    matrix = np.array([[1.0, 10.0, 20.0], [30.0, 2.0, 40.0], [50.0, 60.0, 3.0]])
    assert at_home_and_away(matrix) == (2.0, 35.0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("domain", [name for name in DOMAINS if name != BASE])
def test_each_system_differs_from_the_first_in_what_it_is_named_for(domain: str, size: Size) -> None:
    base, other = microscope_of(BASE, size), microscope_of(domain, size)
    changed = {
        name for name in ("objective", "condenser", "chamber", "specimens", "camera", "scan")
        if getattr(base, name) != getattr(other, name)
    }  # fmt: skip
    allowed = {"pombe": {"specimens"}, "chamber": {"chamber", "specimens"}}
    assert changed == allowed.get(domain, {domain})


def test_cells_are_those_that_are_named() -> None:
    assert isinstance(microscope_of("pombe", "quick").specimens[0], RodSettings)
    cells = microscope_of("chamber", "quick").specimens[0]
    assert isinstance(cells, YeastSettings) and cells.on_floor == cells.under_ceiling == 0.5
