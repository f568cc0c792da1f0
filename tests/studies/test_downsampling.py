"""The study of downsampling and batch size, at toy size and on made-up numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from parfocal.cli.studies import run_studies
from parfocal.studies.downsampling import BATCHES, STUDY, findings, table
from parfocal.studies.paper_network import paper_recipe
from parfocal.studies.running import run_study
from parfocal.studies.study import Results, Told


def told(downsampling: int, batch_size: int, *, mse_um2: float, seconds: float) -> Told:
    return {
        "downsampling": downsampling,
        "batch_size": batch_size,
        "mse_um2": mse_um2,
        "bias_um": 0.0,
        "std_um": mse_um2**0.5,
        "within_1um": 0.5,
        "training_seconds": seconds,
        "steps": 100,
    }


def as_in_the_paper(*, ahead: int = 4) -> Results:
    rows = {
        f"{d}X-batch-{batch}": told(
            d, batch, mse_um2=(1.0 if d == ahead else 3.0) + 10 / batch, seconds=batch * 100 / d
        )
        for d, batches in BATCHES.items()
        for batch in batches
    }
    return Results("paper", rows)


def test_every_toy_network_learns_and_is_asked(studies_out: Path) -> None:
    results = run_study(STUDY, studies_out, size="toy")
    assert list(results.cases) == ["4X-batch-10", "10X-batch-10", "10X-batch-50"]
    assert all(one["n_images"] > 0 and one["mse_um2"] > 0 for one in results.cases.values())
    axes = STUDY.figures(results)["downsampling"].figure.axes
    assert len(axes[1].lines) >= 3
    assert [row[0] for row in table(results).rows] == [
        "4X, batch of 10",
        "10X, batch of 10",
        "10X, batch of 50",
    ]


def test_numbers_like_those_of_the_paper_agree() -> None:
    assert [one.verdict for one in findings(as_in_the_paper())] == ["agrees", "agrees", "agrees"]


@pytest.mark.parametrize("ahead", [2, 10])
def test_another_downsampling_ahead_differs(ahead: int) -> None:
    first = findings(as_in_the_paper(ahead=ahead))[0]
    assert first.verdict == "differs"
    assert "2X" in first.here


@pytest.mark.parametrize(("downsampling", "input_px", "parameters"), [(2, 500, 26465545), (10, 100, 1299721)])
def test_at_the_papers_size_the_network_is_the_papers(
    downsampling: int, input_px: int, parameters: int
) -> None:
    from parfocal.model.networks import build_network

    recipe = paper_recipe("paper", downsampling=downsampling, batch_size=22)
    assert recipe.network.input_px == input_px
    assert recipe.training.steps == 100_000
    assert recipe.network.literal_initialisation
    network = build_network(recipe.network, n_bins=recipe.bins.count)
    assert sum(weights.numel() for weights in network.parameters()) == parameters


def test_smaller_sizes_say_how_they_are_smaller() -> None:
    assert "150 simulated stacks" in STUDY.how("quick")
    assert "100,000 steps" in STUDY.how("paper")


def test_the_command_says_what_was_found_and_writes_the_page(
    studies_out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_studies(("downsampling",), studies_out, size="toy", workers=1)
    said = capsys.readouterr().out
    assert "Downsampling and batch size (Fig 2, section 2.2)" in said
    assert "10X, batch of 50" in said
    page = (studies_out / "index.html").read_text(encoding="utf-8")
    assert "How coarse may images be" in page
    run_studies(("downsampling",), studies_out, size="toy", workers=1, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert len(told["findings"]) == 3
    assert set(told["cases"]) == {"4X-batch-10", "10X-batch-10", "10X-batch-50"}
