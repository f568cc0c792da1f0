from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from parfocal.errors import OutputError
from parfocal.evaluation.comparison_figure import error_by_stack, error_by_z_of_both
from parfocal.evaluation.figures import (
    confusion_map,
    display_name,
    error_by_z,
    error_summary,
    focus_over_time,
    inferred_vs_actual,
    save_figure,
)
from parfocal.evaluation.metrics import bin_edges_um, focus_metrics
from parfocal.evaluation.overview import overview
from parfocal.evaluation.reliability import reliability
from parfocal.evaluation.reliability_figure import reliability_diagram
from parfocal.focus_measures import FOCUS_MEASURES

ACTUAL = np.tile(np.linspace(-5, 5, 11), 3)
INFERRED = ACTUAL + np.random.default_rng(0).normal(0, 0.3, len(ACTUAL))


def block(inferred: Any = INFERRED, **others: Any) -> dict[str, Any]:
    stacks = np.repeat(np.arange(3), 11)
    return focus_metrics(ACTUAL, inferred, stack_index=stacks, bin_edges_um=bin_edges_um(-8, 8), **others)


def lock_record(n: int) -> dict[str, Any]:
    hours = np.linspace(0, 24, n)
    focal = 20 * np.sin(hours / 5)
    defocus = np.random.default_rng(1).normal(0, 0.2, n)
    return {"time_h": hours, "stage_um": focal + defocus, "focal_um": focal, "tolerance_um": 1.0}


def told_reliability(**others: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "actual_um": ACTUAL,
        "inferred_um": INFERRED,
        "std_um": np.full(len(ACTUAL), 0.3),
        "low_um": INFERRED - 0.5,
        "high_um": INFERRED + 0.5,
        "pit": np.linspace(0, 1, len(ACTUAL)),
        "accepted": np.full(len(ACTUAL), True),
        "stacks": np.repeat(np.arange(3), 11),
    }
    return reliability(**told | others)


def by_stack(a_um: list[float], b_um: list[float]) -> dict[str, Any]:
    return {"a_mae_um": a_um, "b_mae_um": b_um}


def figures() -> dict[str, Figure]:
    helped = {"brenner": block(0 * ACTUAL), "brenner_with_oracles": block(ACTUAL * 0.9)}
    record = lock_record(50)
    return {
        "error_summary": error_summary({"model": block(), "constant": block(0 * ACTUAL), **helped}),
        "confusion_map": confusion_map(block()["confusion"]),
        "error_by_z": error_by_z(block()["mae_by_z"], dof_um=0.6),
        "inferred_vs_actual": inferred_vs_actual(
            ACTUAL, INFERRED, interval_low_um=INFERRED - 0.5, interval_high_um=INFERRED + 0.5
        ),
        "focus_over_time": focus_over_time(
            **record, true_defocus_um=np.zeros(50), events=[(3.0, "lost"), (3.5, "found")], title="Run"
        ),
        "reliability_diagram": reliability_diagram(told_reliability()),
        "error_by_stack": error_by_stack(by_stack([0.1, 0.2], [0.2, 0.1])),
        "error_by_z_of_both": error_by_z_of_both(block()["mae_by_z"], block(0 * ACTUAL)["mae_by_z"]),
    }


@pytest.mark.parametrize("name", figures())
def test_every_axis_of_every_figure_says_what_and_in_which_unit(name: str) -> None:
    figure = figures()[name]
    shown = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert shown
    units = ("(µm)", "(h)", "(%)")
    assert any(axes.get_xlabel().endswith(units) for axes in shown)
    if name != "error_summary":
        assert all(axes.get_ylabel().endswith(units) for axes in shown)


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_figure_is_saved_whole_in_the_format_of_its_name(tmp_path: Path, suffix: str) -> None:
    path = save_figure(figures()["error_by_z"], tmp_path / f"figure.{suffix}")
    heads = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(heads[suffix])
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_the_same_numbers_give_the_same_file(tmp_path: Path) -> None:
    first, again = (save_figure(figures()["confusion_map"], tmp_path / f"{n}.svg") for n in "ab")
    assert first.read_bytes() == again.read_bytes()


def test_a_figure_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.svg"):
        save_figure(figures()["error_by_z"], tmp_path / "missing" / "a.svg")


def test_drawing_leaves_the_global_style_alone() -> None:
    before = dict(matplotlib.rcParams)
    figures()
    assert dict(matplotlib.rcParams) == before


def test_a_method_without_answers_has_a_row_and_no_bar() -> None:
    figure = error_summary({"model": block(), "silent": block(np.full(len(ACTUAL), np.nan))})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["this model", "silent"]
    assert len(figure.axes[0].containers) == 1


def test_help_shares_the_row_of_the_measure_it_helps() -> None:
    labels = [label.get_text() for label in figures()["error_summary"].axes[0].get_yticklabels()]
    assert labels == ["this model", "constant", "Brenner"]


@pytest.mark.parametrize("name", FOCUS_MEASURES)
def test_every_measure_has_a_name_for_people(name: str) -> None:
    assert display_name(name) != name
    assert "_" not in display_name(name)


def test_the_reliability_of_silence_can_be_drawn() -> None:
    nothing = np.full(len(ACTUAL), np.nan)
    [axes] = reliability_diagram(told_reliability(inferred_um=nothing)).axes
    assert not axes.containers


def test_the_stated_interval_stands_at_90_percent_of_the_reliability_diagram() -> None:
    found = told_reliability()
    [axes] = reliability_diagram(found).axes
    [bar] = axes.containers
    np.testing.assert_allclose(bar.lines[0].get_xydata(), [[90, 100 * found["interval90"]["share"]]])


@pytest.mark.parametrize(
    ("worst_um", "scale"), [(0.3, "linear"), (30.0, "log")], ids=["alike", "one stack far worse"]
)
def test_stacks_of_any_errors_fit_between_the_same_ends(worst_um: float, scale: str) -> None:
    [axes] = error_by_stack(by_stack([0.1, 0.2, worst_um], [0.2, 0.1, 0.15])).axes
    assert axes.get_xscale() == axes.get_yscale() == scale
    low, high = axes.get_xlim()
    assert axes.get_ylim() == (low, high)
    assert low < 0.1 < worst_um < high


def test_stacks_without_any_error_can_be_drawn() -> None:
    assert isinstance(error_by_stack(by_stack([0.0], [0.0])), Figure)


def test_frames_without_an_answer_leave_a_gap_in_the_scatter() -> None:
    assert isinstance(inferred_vs_actual([0.0, 1.0], [np.nan, 1.1]), Figure)


def test_error_by_z_needs_no_depth_of_field() -> None:
    labels = error_by_z(block()["mae_by_z"], dof_um=None).legends[0].get_texts()
    assert [text.get_text() for text in labels] == ["mean absolute error", "mean error"]


def test_the_residual_is_what_the_stage_misses_of_the_sample_and_the_target() -> None:
    record = lock_record(50)
    figure = focus_over_time(**record, target_um=0.5)
    drawn = next(line for line in figure.axes[1].lines if line.get_label() == "estimated")
    np.testing.assert_allclose(drawn.get_ydata(), record["stage_um"] - record["focal_um"] - 0.5)


def test_a_day_of_frames_is_thinned_and_keeps_its_outliers() -> None:
    record = lock_record(200_000)
    record["stage_um"][123_456] += 7.0
    record["stage_um"][77_777] = np.nan
    figure = focus_over_time(**record)
    drawn = next(line for line in figure.axes[1].lines if line.get_label() == "estimated")
    values = np.asarray(drawn.get_ydata(), float)
    assert len(values) <= 4000
    assert np.nanmax(values) == pytest.approx((record["stage_um"] - record["focal_um"])[123_456])
    assert np.all(np.diff(np.asarray(drawn.get_xdata(), float)) > 0)


def test_the_overview_shows_every_frame_under_its_defocus() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (4, 8, 8), dtype=np.uint8)
    hours = np.linspace(0, 24, 50)
    figure = overview(
        frames_zyx=frames,
        frames_defocus_um=[-8.2, -1.5, -0.0, 4.0],
        actual_um=ACTUAL,
        inferred_um=INFERRED,
        time_h=hours,
        stage_um=100 + hours,
        true_defocus_um=np.sin(hours),
        tolerance_um=1.0,
    )
    shown = [axes for part in figure.subfigs for axes in part.axes if axes.images]
    assert [axes.get_title() for axes in shown] == ["-8 µm", "-1.5 µm", "+0.0 µm", "+4 µm"]
    drawn = [line.get_ydata() for part in figure.subfigs for axes in part.axes for line in axes.lines]
    assert any(np.array_equal(y, 100 + hours) for y in drawn)
