"""One stack or a few fit a model to another microscope, and the file says on what it was fitted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from small_world import PIXEL_UM, SIDE_PX, dataset_at, frame_at, fresh_model, stack_of

from parfocal.data import Dataset
from parfocal.data.stack_io import write_stack
from parfocal.errors import DatasetError, InputError, ModelError
from parfocal.model import FocusEstimator, load_model, save_model
from parfocal.model.answer_line import UNCHANGED, StackAnswers
from parfocal.model.microscope_fit import MicroscopeFit
from parfocal.model.model_file import HEADER_KEY
from parfocal.model.one_stack import (
    GivenStack,
    TalliedAnswers,
    familiar_from,
    fit_to_microscope,
    fit_to_stacks,
)
from parfocal.zstack import ZStack

STRETCH, SHIFT_UM = 1.3, 0.8


def elsewhere(seed: int, *, n_planes: int = 21) -> GivenStack:
    """A stack of a microscope whose stage counts further, and where focus is called so elsewhere."""
    stack, focus_z_um = stack_of(seed, n_planes=n_planes)
    z_um = STRETCH * (stack.z_um - focus_z_um)
    return ZStack(stack.frames_zyx, z_um + 50.0, PIXEL_UM), 50.0 - SHIFT_UM


@pytest.fixture(scope="module")
def one_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("one") / "stack.ome.tif"
    write_stack(path, elsewhere(30)[0])
    return path


@pytest.fixture(scope="module")
def fitted(model_path: Path, one_path: Path) -> tuple[MicroscopeFit, FocusEstimator]:
    out = one_path.with_name("fitted.safetensors")
    fit = fit_to_microscope(model_path, one_path, out=out, focus_z_um=50.0 - SHIFT_UM)
    return fit, FocusEstimator.load(out)


def test_one_stack_tells_scale_and_offset(fitted: tuple[MicroscopeFit, FocusEstimator]) -> None:
    fit, _ = fitted
    assert fit.scale == pytest.approx(STRETCH, abs=0.15)
    assert fit.offset_um == pytest.approx(SHIFT_UM, abs=0.4)
    assert fit.mae_after_um < 0.6 < fit.mae_before_um
    assert (fit.n_stacks, fit.is_held_out, fit.knows_focus, fit.source) == (1, False, True, "stack.ome.tif")


def test_the_fitted_model_answers_in_the_um_of_the_microscope(
    fitted: tuple[MicroscopeFit, FocusEstimator], model_path: Path
) -> None:
    fit, after = fitted
    frame = frame_at(2.0, seed=200)
    before = FocusEstimator.load(model_path)
    old, new = (e.estimate(frame, pixel_size_um=PIXEL_UM) for e in (before, after))
    np.testing.assert_array_equal(new.probabilities, old.probabilities)
    assert new.defocus_um == pytest.approx(fit.scale * old.defocus_um + fit.offset_um)
    np.testing.assert_allclose(new.bin_centres_um, fit.scale * old.bin_centres_um + fit.offset_um)
    assert new.layers_um == pytest.approx([fit.scale * layer + fit.offset_um for layer in old.layers_um])
    assert new.std_um >= 0.99 * fit.scale * old.std_um  # one stack makes nobody surer
    assert new.interval90_um[0] < new.defocus_um < new.interval90_um[1]
    assert after.z_range_um == pytest.approx(tuple(fit.of(np.array(before.z_range_um))))
    told = after.defocus_map(frame, pixel_size_um=PIXEL_UM).defocus_um
    expected = fit.scale * before.defocus_map(frame, pixel_size_um=PIXEL_UM).defocus_um + fit.offset_um
    np.testing.assert_allclose(told, expected)


def test_weights_stay_as_they_are(model_path: Path, one_path: Path, tmp_path: Path) -> None:
    fit_to_microscope(model_path, one_path, out=tmp_path / "m.safetensors", focus_z_um=50.0)
    before, after = load_model(model_path)[1], load_model(tmp_path / "m.safetensors")[1]
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_without_a_focus_only_the_scale_is_fitted(model_path: Path, one_path: Path, tmp_path: Path) -> None:
    fit = fit_to_microscope(model_path, one_path, out=tmp_path / "m.safetensors")
    assert fit.scale == pytest.approx(STRETCH, abs=0.15)
    assert not fit.knows_focus and fit.offset_um == pytest.approx(0.0, abs=1e-9)
    assert fit.mae_after_um < 0.6


def test_of_several_stacks_each_is_judged_by_the_line_of_the_others(
    estimator: FocusEstimator, model_path: Path
) -> None:
    fit, header = fit_to_stacks(estimator, [elsewhere(seed) for seed in range(30, 36)], source="six")
    assert fit.is_held_out and fit.n_stacks == 6 and fit.n_frames > 60
    assert fit.mae_after_um < 0.6 < fit.mae_before_um
    assert header.calibrated_on == "six"
    after = FocusEstimator(header, load_model(model_path)[1], fingerprint="0")
    held = []
    for stack, focus_z_um in (elsewhere(seed) for seed in range(40, 44)):
        for frame, truth in zip(stack.frames_zyx, stack.defocus_um(focus_z_um or 0.0), strict=True):
            low_um, high_um = after.estimate(frame, pixel_size_um=PIXEL_UM).interval90_um
            held.append(low_um <= truth <= high_um)
    assert np.mean(held) > 0.75


def test_fitting_again_goes_on_from_the_line_that_is_there(
    fitted: tuple[MicroscopeFit, FocusEstimator],
) -> None:
    first, once = fitted
    stack, focus_z_um = elsewhere(30)
    further = ZStack(stack.frames_zyx, 50.0 + 1.25 * (stack.z_um - 50.0), PIXEL_UM)
    again, header = fit_to_stacks(once, [(further, focus_z_um)], source="again")
    assert again.scale == pytest.approx(1.25 * first.scale, rel=0.02)
    assert header.answer_bins.centres_um[0] == pytest.approx(again.of(np.array(header.bins.lowest_um)))


def test_finer_pixels_make_a_model_for_finer_pixels(model_path: Path, tmp_path: Path) -> None:
    stack, focus_z_um = elsewhere(30, n_planes=11)
    finer = np.kron(stack.frames_zyx, np.ones((1, 2, 2), np.uint16))
    write_stack(tmp_path / "s.ome.tif", ZStack(finer, stack.z_um, PIXEL_UM / 2))
    out, where = tmp_path / "m.safetensors", tmp_path / "s.ome.tif"
    with pytest.raises(ModelError, match=r"made for pixels of 0\.5 um.*--rescale"):
        fit_to_microscope(model_path, where, out=out, focus_z_um=focus_z_um)
    fit_to_microscope(model_path, where, out=out, focus_z_um=focus_z_um, rescale=True)
    answer_um = FocusEstimator.load(out).estimate(finer[5], pixel_size_um=PIXEL_UM / 2).defocus_um
    assert answer_um == pytest.approx(SHIFT_UM, abs=1.5)


def test_of_a_dataset_test_stacks_stay_unseen(model_path: Path, spots: Dataset, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fit = fit_to_microscope(
        model_path,
        spots.folder,
        out=tmp_path / "m.safetensors",
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(k, 7) for k in range(1, 8)]  # of 8 stacks one is for the test
    assert fit.n_stacks == 7 and fit.source == spots.folder.name
    assert fit.scale == pytest.approx(1.0, abs=0.1) and fit.offset_um == pytest.approx(0.0, abs=0.3)


def test_a_dataset_without_stacks_to_fit_to_is_refused(model_path: Path, tmp_path: Path) -> None:
    only_test = dataset_at(tmp_path / "d", parts=("test",))
    with pytest.raises(DatasetError, match="annotated stacks outside the test part, found none"):
        fit_to_microscope(model_path, only_test.folder, out=tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()


def test_a_focus_for_a_whole_dataset_is_refused(model_path: Path, spots: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"focus with one stack only.*--focus"):
        fit_to_microscope(model_path, spots.folder, out=tmp_path / "m.safetensors", focus_z_um=1.0)


def test_several_stacks_need_their_focus(estimator: FocusEstimator) -> None:
    stacks = [(elsewhere(30)[0], None), elsewhere(31)]
    with pytest.raises(InputError, match="of each of 2 stacks; 1 have none"):
        fit_to_stacks(estimator, stacks, source="two")
    with pytest.raises(InputError, match="at least one stack"):
        fit_to_stacks(estimator, [], source="none")


def test_stacks_that_show_nothing_are_refused(estimator: FocusEstimator) -> None:
    blank = np.full((9, SIDE_PX, SIDE_PX), 4000, np.uint16)
    with pytest.raises(InputError, match="at least 5 planes that the model answers, got 0"):
        fit_to_stacks(estimator, [(ZStack(blank, np.arange(9.0), PIXEL_UM), 4.0)], source="blank")


def test_a_stage_that_counts_backwards_is_refused(estimator: FocusEstimator) -> None:
    stack, focus_z_um = stack_of(30)
    backwards = ZStack(stack.frames_zyx[::-1], stack.z_um, PIXEL_UM)
    with pytest.raises(InputError, match="other way round"):
        fit_to_stacks(estimator, [(backwards, focus_z_um)], source="backwards")


def test_a_model_file_from_before_there_were_fits_opens(tmp_path: Path) -> None:
    header, arrays = fresh_model()
    save_model(tmp_path / "m.safetensors", header, arrays)
    with safe_open(str(tmp_path / "m.safetensors"), framework="numpy") as file:
        values = json.loads(file.metadata()[HEADER_KEY])
    del values["microscope"]
    older = type(header).parse(values, source="older")
    assert older.microscope is None
    assert older.answer_bins == older.bins and older.answer_range_um == older.z_range_um


def answers_with(familiar: list[float], errors_um: list[float]) -> TalliedAnswers:
    actual_um = np.linspace(-5, 5, len(familiar))
    ones = np.ones(len(familiar))
    return TalliedAnswers(StackAnswers(actual_um, actual_um + errors_um, ones, ones), np.array(familiar))


@pytest.mark.parametrize(
    ("familiar", "errors_um", "level"),
    [
        ([0.9, 0.8, 0.45, 0.4, 0.3, 0.25], [0.0, 0.1, 0.2, 0.1, 0.3, 0.2], 0.25),
        ([0.9, 0.8, 0.45, 0.4, 0.3, 0.25], [0.0, 0.1, 0.2, 0.1, 3.0, 3.0], 0.4),
        ([0.9, 0.8, 0.45, 0.4, 0.3, 0.25], [0.0, 0.1, 3.0, 3.0, 3.0, 3.0], 0.5),
        ([0.9, 0.8, 0.15, 0.1], [0.0, 0.0, 0.0, 0.0], 0.5),
        ([0.9, 0.8, 0.7, 0.6], [0.0, 0.0, 0.0, 0.0], 0.5),
    ],
    ids=["all told rightly", "the strangest are not", "none is", "too strange", "nothing was refused"],
)
def test_frames_that_are_told_rightly_become_familiar(
    familiar: list[float], errors_um: list[float], level: float
) -> None:
    assert familiar_from([answers_with(familiar, errors_um)], UNCHANGED, level=0.5) == level
