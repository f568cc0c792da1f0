"""The study of realism: it finds what was put in, and agrees with a real cell where one is at hand."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import Parfocal
from parfocal.errors import InputError, OutputError
from parfocal.optics import Ellipsoid
from parfocal.studies.fitting import LIGHT, PLACE, fitted
from parfocal.studies.realism import QUICK, Thoroughness, run_realism
from parfocal.studies.recording import Recording, correlations, first_sight, read_recording
from parfocal.studies.rod_model import ChainOfBalls, Fineness, RodModel, rendered

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("PARFOCAL_REAL_DATA", ROOT.parent / "shared" / "data")) / "real"
POMBE = REAL / "pombe-brightfield-34plane" / "seg_bf.gif"

COARSE = Fineness(10, 0.17, 0.5)
FINER = Fineness(24, 0.16, 0.4)
FEWEST_ROUNDS = Thoroughness(3, 4, COARSE, COARSE, (1, 1, 1), with_wall=False, width_rounds=0)

TRUTH = RodModel(
    x_px=64.0,
    y_px=47.0,
    length_px=80.0,
    yaw_rad=0.4,
    radii_px=(18.0,) * 5,
    focus_frame=10.4,
    pixel_size_um=0.1,
    condenser_na=0.24,
    cytoplasm_index=1.380,
    height_over_width=0.9,
    wall_um=0.0,
)


def recording_of(model: RodModel, *, fineness: Fineness = FINER, n_frames: int = 20) -> Recording:
    """A stack as a camera would save it: grey values with noise."""
    empty = Recording(np.zeros((n_frames, 94, 128)), np.arange(94.0), np.arange(128.0), 0.5, 0.12)
    light = rendered(model, empty, range(n_frames), fineness=fineness)
    noise = np.random.default_rng(0).normal(0, 2.0, light.shape)
    return replace(empty, frames_zyx=130 * light + noise)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return recording_of(TRUTH)


def test_a_chain_of_one_ball_is_a_ball() -> None:
    chain = ChainOfBalls(np.array([[1.0, 2.0, 3.0]]), np.array([1.5]), 0.04)
    ball = Ellipsoid.ball((1.0, 2.0, 3.0), 1.5, 0.04)
    x, y = np.linspace(-1, 3, 21)[None, :], np.linspace(0, 4, 21)[:, None]
    thickness = [high - low for low, high in (chain.vertical_cut(x, y), ball.vertical_cut(x, y))]
    np.testing.assert_allclose(*thickness, atol=1e-9)
    np.testing.assert_allclose(chain.reach_um, ball.reach_um)
    np.testing.assert_allclose(chain.centre_um, ball.centre_um)


def test_first_sight_finds_the_cell(recording: Recording) -> None:
    seen = first_sight(recording)
    assert np.hypot(seen.x_px - TRUTH.x_px, seen.y_px - TRUTH.y_px) < 2
    assert abs(seen.yaw_rad - TRUTH.yaw_rad) < 0.05
    assert abs(seen.width_px - 36) < 6 and abs(seen.length_px - 80) < 10
    assert abs(seen.calmest_frame - TRUTH.focus_frame) < 2.5


@pytest.mark.parametrize("direction", [1, -1])
def test_first_sight_tells_which_way_z_runs(direction: int, recording: Recording) -> None:
    frames = recording.frames_zyx[::direction]
    assert first_sight(replace(recording, frames_zyx=frames)).direction == direction


def test_the_fit_finds_what_was_put_in(recording: Recording) -> None:
    start = replace(
        TRUTH,
        x_px=63.0,
        y_px=48.0,
        focus_frame=9.8,
        pixel_size_um=0.094,
        condenser_na=0.32,
        cytoplasm_index=1.390,
        height_over_width=1.0,
    )
    found = fitted(
        start,
        recording.binned(2),
        free=(*PLACE, *LIGHT),
        frames=range(0, 20, 4),
        fineness=Fineness(16, 0.17, 0.5),
        rounds=6,
    )
    assert found.condenser_na == pytest.approx(TRUTH.condenser_na, abs=0.03)
    assert found.focus_frame == pytest.approx(TRUTH.focus_frame, abs=0.2)
    assert found.pixel_size_um == pytest.approx(TRUTH.pixel_size_um, rel=0.02)
    assert found.cytoplasm_index == pytest.approx(TRUTH.cytoplasm_index, abs=0.005)


def test_correlation_of_a_plane_ignores_its_brightness_and_contrast(recording: Recording) -> None:
    assert correlations(recording.frames_zyx, 5 + 0.1 * recording.frames_zyx) == pytest.approx(1.0)


def test_bins_are_means_of_pixels(recording: Recording) -> None:
    binned = recording.binned(3)
    assert binned.frames_zyx[4, 1, 2] == pytest.approx(recording.frames_zyx[4, 3:6, 6:9].mean())
    assert (binned.y_px[1], binned.x_px[2]) == (4.0, 7.0)


@pytest.fixture(scope="module")
def gif(tmp_path_factory: pytest.TempPathFactory, recording: Recording) -> Path:
    path = tmp_path_factory.mktemp("movie") / "cell.gif"
    padded = np.pad(recording.frames_zyx, ((0, 0), (3, 3), (3, 3)), mode="edge")
    first, *others = (Image.fromarray(frame) for frame in np.clip(padded, 0, 255).astype(np.uint8))
    first.save(path, save_all=True, append_images=others)
    return path


def test_the_study_writes_figure_and_tables(gif: Path, tmp_path: Path) -> None:
    told: list[float] = []
    report = run_realism(
        gif,
        tmp_path / "out",
        step_um=0.5,
        thoroughness=FEWEST_ROUNDS,
        progress=lambda fraction, words: told.append(fraction),
    )
    assert json.loads((tmp_path / "out" / "realism.json").read_text("utf-8")) == report
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "realism.csv",
        "realism.json",
        "realism.png",
    ]
    assert len((tmp_path / "out" / "realism.csv").read_text("utf-8").splitlines()) == 1 + 20
    assert told == sorted(told) and told[-1] == 1
    fits = [step["held_out_planes"] for step in report["steps"]]
    assert len(fits) == 3 and max(fits) > 0.8
    assert report["found_cell"]


def test_a_fit_that_did_not_find_the_cell_says_so_and_shows_no_findings(
    gif: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    finished = parfocal("study", "realism", "--stack", gif, "--step", 5, "--quick", "--out", tmp_path)
    report = json.loads((tmp_path / "realism.json").read_text("utf-8"))
    assert report["whole_stack"]["correlation"] < 0.7
    assert not report["found_cell"]
    assert "did not find the cell" in report["verdict"] and "mean nothing" in report["verdict"]
    assert report["verdict"] in finished.out
    assert "condenser NA" not in finished.out
    assert "the same" not in finished.out  # as a row that a quick fit does not have


def test_an_earlier_study_in_the_folder_is_replaced(gif: Path, tmp_path: Path, parfocal: Parfocal) -> None:
    (tmp_path / "realism.json").write_text("an earlier one", "utf-8")
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    report = run_realism(gif, tmp_path, step_um=0.5, thoroughness=FEWEST_ROUNDS)
    assert json.loads((tmp_path / "realism.json").read_text("utf-8")) == report
    assert (tmp_path / "notes.txt").read_text("utf-8") == "mine"
    help_text = parfocal("study", "realism", "--help").out
    assert "earlier ones are" in " ".join(help_text.split())


def test_a_folder_that_cannot_be_made_does_not_cost_a_fit(gif: Path, tmp_path: Path) -> None:
    told: list[float] = []
    with pytest.raises(OutputError, match=r"taken: cannot be made .* Expected a folder"):
        (tmp_path / "taken").write_text("a file", "utf-8")
        run_realism(gif, tmp_path / "taken", progress=lambda fraction, words: told.append(fraction))
    assert not told


def test_a_missing_stack_is_told_in_one_line(parfocal: Parfocal, tmp_path: Path) -> None:
    finished = parfocal("study", "realism", "--stack", tmp_path / "none.gif", "--out", tmp_path / "out")
    assert finished.code == 2
    assert "none.gif" in finished.complaint and not (tmp_path / "out").exists()


def test_a_single_image_is_no_stack(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((80, 80), np.uint8)).save(tmp_path / "one.png")
    with pytest.raises(InputError, match="at least 8 planes"):
        read_recording(tmp_path / "one.png", step_um=0.3)


def test_noise_shows_no_cell() -> None:
    noise = np.random.default_rng(0).normal(100, 3, (20, 80, 90))
    with pytest.raises(InputError, match="one long cell"):
        first_sight(Recording(noise, np.arange(80.0), np.arange(90.0), 0.3))


def test_a_real_cell_looks_as_simulated(tmp_path: Path) -> None:
    if not POMBE.exists():
        pytest.skip(f"the real stack is not at {POMBE}; PARFOCAL_REAL_DATA says where it is")
    report = run_realism(POMBE, tmp_path, thoroughness=QUICK)
    first, last = report["steps"][0], report["steps"][-1]
    assert last["held_out_planes"] > 0.85 > first["held_out_planes"]
    assert 3.3 < report["fitted"]["width_um"] < 4.2
    assert report["fitted"]["direction"] == 1
