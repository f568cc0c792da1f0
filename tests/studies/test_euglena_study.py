"""The study of Euglena: the same network at other lengths, and its maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parfocal.studies.euglena import BIN_UM, EDGES_UM, OURS, STUDY, euglena, paper_euglena_recipe
from parfocal.studies.paper_network import paper_recipe
from parfocal.studies.running import run_study
from parfocal.studies.study import SIZES, Results, Size


@pytest.fixture(scope="module")
def results(studies_out: Path) -> Results:
    return run_study(STUDY, studies_out, size="toy")


def test_both_downsamplings_and_ours_are_there(results: Results) -> None:
    assert list(results.cases) == ["4X", "2X", OURS]
    assert all(told["steps"] == 2 and told["n_images"] >= 10 for told in results.cases.values())


def test_each_map_has_a_bin_for_each_plane(results: Results) -> None:
    for told in results.cases.values():
        edges_um = np.array(told["confusion"]["bin_edges_um"])
        assert len(edges_um) == 52 and np.allclose(np.diff(edges_um), BIN_UM)
        rows = [sum(row) for row in told["confusion"]["probability"] if row[0] is not None]
        assert len(rows) == told["n_images"] and np.allclose(rows, 1)


def test_the_figures_are_maps(results: Results) -> None:
    drawn = STUDY.figures(results)
    assert list(drawn) == ["map-4X", "map-2X", "map-ours"]
    for one in drawn.values():
        axes = one.figure.axes[0]
        assert axes.get_xlabel().endswith("(µm)") and axes.collections[0].get_array().size == 51**2


def test_table_and_findings_tell_the_numbers(results: Results) -> None:
    table, (reliable, *_) = STUDY.table(results), STUDY.findings(results)
    assert [row[3] for row in table.rows] == [f"{told['mae_um']:.1f}" for told in results.cases.values()]
    assert f"4X {results['4X']['median_abs_um']:.0f}" in reliable.here
    assert reliable.verdict == "open"  # after two steps


def test_half_of_a_bin_counts_as_reliable(results: Results) -> None:
    good = Results("paper", {name: {**told, "median_abs_um": 6.0} for name, told in results.cases.items()})
    reliable, wider, _ = STUDY.findings(good)
    assert reliable.verdict == wider.verdict == "agrees"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("downsampling", "batch_size"), [(4, 50), (2, 22)])
def test_only_lengths_differ_from_the_recipe_for_yeast(
    size: Size, downsampling: int, batch_size: int
) -> None:
    ours, yeast = paper_euglena_recipe(size, downsampling), paper_recipe(size, batch_size=batch_size)
    same = {"steps", "validate_every"}
    assert ours.training.model_dump(exclude=same) == yeast.training.model_dump(exclude=same)
    assert ours.network.replace(input_px=100) == yeast.network.replace(input_px=100)
    assert ours.answer == yeast.answer == "most_probable"
    assert ours.bins.width_um == BIN_UM and 0.0 in ours.bins.centres_um
    assert ours.bins.highest_um >= EDGES_UM[-1]


def test_the_size_of_the_paper_is_that_of_the_paper() -> None:
    (stock,) = STUDY.stocks("paper")
    microscope = euglena("paper")
    assert stock.n_stacks == 136 and 2 * microscope.scan.half_range_um / microscope.scan.step_um == 50
    assert [paper_euglena_recipe("paper", d).network.input_px for d in (4, 2)] == [250, 500]
    assert paper_euglena_recipe("paper", 4).training.steps == 100_000
