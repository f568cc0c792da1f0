"""Training learns, stops and goes on as if it had never stopped, and says what it cannot do."""

from __future__ import annotations

import csv
import logging
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import RECIPE, WEI, assert_same_model, dataset_at, fresh_model, interrupt_at, retimed
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from parfocal.data import Annotation, Dataset
from parfocal.errors import DatasetError, InputError, OutputError, SettingsError
from parfocal.model import Recipe, TrainingProgress, load_model, save_model, train
from parfocal.model.training_job import CHECKPOINT

SHORT = retimed(RECIPE, steps=8, batch_size=4, validate_every=3)
SHORT_WEI = retimed(WEI, steps=8, batch_size=4, validate_every=3, learning_rate=1e-3)


def test_the_loss_falls_and_the_model_file_says_how_it_was_made(spots: Dataset, tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    header = train(spots, out=tmp_path / "m.safetensors", recipe=RECIPE, watch=seen.append)
    assert [moment.step for moment in seen] == list(range(1, 61))
    assert seen[-1].fraction == 1 and seen[-1].loss < 0.8 * seen[0].loss
    # A model that always answers 0 errs by 2.7 um.
    assert header.metrics["mae_um"] < 1.0
    assert header == load_model(tmp_path / "m.safetensors")[0]
    assert (header.n_stacks, header.steps, header.calibrated_on) == (5, 60, "validation")
    assert header.data_fingerprint == spots.fingerprint() and header.recipe == RECIPE
    assert -5.5 < header.z_range_um[0] < -4.5 and 4.5 < header.z_range_um[1] < 5.5


@pytest.mark.parametrize("recipe", [SHORT, SHORT_WEI], ids=["focus", "wei2018 with dropout"])
def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(
    recipe: Recipe, spots: Dataset, tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    train(spots, out=whole, recipe=recipe)
    with pytest.raises(KeyboardInterrupt):
        train(spots, out=stopped, recipe=recipe, watch=interrupt_at(2, stir=True))
    assert not stopped.exists()
    with pytest.raises(KeyboardInterrupt):
        train(spots, out=stopped, recipe=recipe, resume=True, watch=interrupt_at(5))
    train(spots, out=stopped, recipe=recipe, resume=True)
    assert_same_model(whole, stopped)


def test_ctrl_c_in_the_middle_of_a_step_waits_for_its_end(spots: Dataset, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    train(spots, out=whole, recipe=SHORT)
    asked = []

    def clock() -> float:  # asked between the step of the optimiser and the counting of it
        asked.append("time")
        if len(asked) == 9:
            signal.raise_signal(signal.SIGINT)
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        train(spots, out=stopped, recipe=SHORT, clock=clock)
    train(spots, out=stopped, recipe=SHORT, resume=True)
    assert_same_model(whole, stopped)


def test_training_leaves_the_callers_random_state_alone(spots: Dataset, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(spots, out=tmp_path / "m.safetensors", recipe=retimed(SHORT, steps=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_gives_another_model(spots: Dataset, tmp_path: Path) -> None:
    for seed in (1, 2):
        train(spots, out=tmp_path / f"{seed}.safetensors", recipe=retimed(SHORT, steps=2, seed=seed))
    arrays = [load_model(tmp_path / f"{seed}.safetensors")[1] for seed in (1, 2)]
    assert any(not np.array_equal(array, arrays[1][name]) for name, array in arrays[0].items())


@pytest.fixture
def stopped(spots: Dataset, tmp_path: Path) -> Path:
    """Where the model of a run that was stopped at its second step would be."""
    out = tmp_path / "m.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(spots, out=out, recipe=SHORT, watch=interrupt_at(2))
    return out


def test_a_stopped_run_may_go_on_for_longer_than_first_meant(spots: Dataset, stopped: Path) -> None:
    header = train(spots, out=stopped, recipe=retimed(SHORT, steps=10), resume=True)
    assert header.steps == 10
    seen: list[TrainingProgress] = []
    train(spots, out=stopped, recipe=retimed(SHORT, steps=10), resume=True, watch=seen.append)
    assert seen == []


def test_resuming_without_a_checkpoint_is_refused(spots: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        train(spots, out=tmp_path / "m.safetensors", recipe=SHORT, resume=True)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (retimed(SHORT, batch_size=5), r"training\.batch_size was 4, is 5"),
        (SHORT.replace(answer="most_probable"), r"answer was expectation, is most_probable"),
        (SHORT_WEI, r"network\.architecture was focus, is wei2018"),
    ],
)
def test_resuming_with_another_recipe_is_refused(
    recipe: Recipe, told: str, spots: Dataset, stopped: Path
) -> None:
    with pytest.raises(InputError, match=told):
        train(spots, out=stopped, recipe=recipe, resume=True)


def test_resuming_with_other_data_is_refused(spots: Dataset, stopped: Path, tmp_path: Path) -> None:
    other = dataset_at(tmp_path / "other")
    other.annotate([Annotation("s0", other.focus_z_um("s0") + 0.5, "bob", "2018-07-02T12:00:00+00:00")])
    with pytest.raises(InputError, match="data was"):
        train(other, out=stopped, recipe=SHORT, resume=True)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None], ids=["empty", "text", "truncated"])
def test_a_damaged_checkpoint_is_told(content: bytes | None, spots: Dataset, stopped: Path) -> None:
    checkpoint = stopped.with_name("m.training") / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:2000] if content is None else content)
    with pytest.raises(InputError, match="the checkpoint is damaged"):
        train(spots, out=stopped, recipe=SHORT, resume=True)


def test_a_bound_in_minutes_ends_the_run(spots: Dataset, tmp_path: Path) -> None:
    now_s = [0.0]
    fractions = []

    def watch(progress: TrainingProgress) -> None:
        now_s[0] += 6.0
        fractions.append(progress.fraction)

    recipe = retimed(SHORT, steps=1000, minutes=1.0, validate_every=1000)
    header = train(spots, out=tmp_path / "m.safetensors", recipe=recipe, watch=watch, clock=lambda: now_s[0])
    assert header.steps == 11
    np.testing.assert_allclose(fractions, np.maximum(np.arange(11) / 10, 1e-3), atol=1e-9)


def test_the_model_has_the_weights_that_were_best_on_validation(spots: Dataset, tmp_path: Path) -> None:
    errors = []

    def watch(progress: TrainingProgress) -> None:
        errors.append(progress.validation_mae_um)

    # Far too fast, so that errors go up and down.
    recipe = retimed(RECIPE, steps=24, validate_every=1, learning_rate=0.2, decay="none")
    header = train(spots, out=tmp_path / "m.safetensors", recipe=recipe, watch=watch)
    assert min(errors) < errors[-1]
    assert header.metrics["mae_um"] == pytest.approx(min(errors), rel=1e-5)


def test_frames_beyond_the_memory_allowed_give_the_same_weights(spots: Dataset, tmp_path: Path) -> None:
    some_gib = 3 * dataset_stack_bytes(spots) / 2**30
    for name, memory_gib in (("all", 1.0), ("some", some_gib), ("none", 1e-9)):
        out = tmp_path / f"{name}.safetensors"
        train(spots, out=out, recipe=SHORT, memory_gib=memory_gib)
        assert_same_model(tmp_path / "all.safetensors", out)


def dataset_stack_bytes(dataset: Dataset) -> int:
    return dataset.read(dataset.stack_ids()[0]).frames_zyx.nbytes


# Much too fast to get better, so that it settles as soon as it may.
RESTLESS = retimed(
    RECIPE, steps=60, batch_size=4, validate_every=2, patience=2, cool_down=0.5, learning_rate=0.3
)


def test_a_run_that_has_settled_goes_to_its_end_fast(spots: Dataset, tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    header = train(spots, out=tmp_path / "m.safetensors", recipe=RESTLESS, watch=seen.append)
    settled = [moment.is_settled for moment in seen].index(True) + 1
    assert settled % 2 == 0 and settled >= 6  # validated after steps 1, 2, 4, 6, ...
    assert header.steps == len(seen) == pytest.approx(1.5 * settled, abs=1)
    assert seen[settled - 1].fraction == pytest.approx(1 / 1.5)
    assert seen[settled - 2].fraction == (settled - 1) / 60


@pytest.mark.parametrize("changes", [{"patience": None}, {"decay": "none"}], ids=["no patience", "no decay"])
def test_a_run_without_patience_or_decay_follows_its_plan(
    changes: dict[str, None], spots: Dataset, tmp_path: Path
) -> None:
    recipe = retimed(RESTLESS, steps=20, learning_rate=0.03, **changes)
    assert train(spots, out=tmp_path / "m.safetensors", recipe=recipe).steps == 20


# After steps 3, 4 and 5, each of which is counted 5 s after the one before; the first at once.
@pytest.mark.parametrize(
    ("steps", "expected_s"),
    [
        pytest.param(6, [10.0, 7.5, 4.0], id="steps come first"),
        pytest.param(100, [35.0, 30.0, 25.0], id="minutes come first"),
    ],
)
def test_the_expected_end_follows_from_steps_and_from_minutes(
    steps: int, expected_s: list[float], spots: Dataset, tmp_path: Path
) -> None:
    now_s = [0.0]
    seen: list[TrainingProgress] = []

    def watch(progress: TrainingProgress) -> None:
        now_s[0] += 5.0
        seen.append(progress)

    recipe = retimed(SHORT, steps=steps, minutes=45 / 60)
    train(spots, out=tmp_path / "m.safetensors", recipe=recipe, watch=watch, clock=lambda: now_s[0])
    assert [moment.left_s for moment in seen[2:5]] == pytest.approx(expected_s)


def test_the_log_tells_how_long_the_run_waited_for_data(spots: Dataset, tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    train(spots, out=tmp_path / "m.safetensors", recipe=retimed(SHORT, steps=10), watch=seen.append)
    with (tmp_path / "m.training" / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["waiting"]) == pytest.approx(seen[-1].waiting)
    assert 0 < seen[-1].waiting < 1


def test_the_logs_hold_the_loss(spots: Dataset, tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    train(spots, out=tmp_path / "m.safetensors", recipe=retimed(SHORT, steps=20), watch=seen.append)
    folder = tmp_path / "m.training"
    with (folder / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [10, 20]
    assert float(rows[-1]["loss"]) == pytest.approx(seen[-1].loss)
    assert float(rows[-1]["validation_mae_um"]) == pytest.approx(seen[-1].validation_mae_um)
    (events,) = (folder / "tensorboard" / "version_0").glob("events*")
    logged = {
        (event.step, value.tag): value.tensor.float_val[0]
        for event in EventFileLoader(str(events)).Load()
        for value in event.summary.value
    }
    assert logged[20, "loss"] == pytest.approx(seen[-1].loss)


def test_a_log_is_on_disk_whenever_a_checkpoint_is(spots: Dataset, tmp_path: Path) -> None:
    metrics = tmp_path / "m.training" / "csv" / "version_0" / "metrics.csv"
    found = []
    train(
        spots,
        out=tmp_path / "m.safetensors",
        recipe=retimed(SHORT, steps=12, checkpoint_every_s=1e-9),
        watch=lambda progress: found.append(metrics.exists()),
    )
    assert found == [False] * 9 + [True] * 3


def test_without_validation_stacks_the_file_says_that_it_was_calibrated_on_training(tmp_path: Path) -> None:
    dataset = dataset_at(tmp_path / "data", parts=("train", "train"))
    header = train(dataset, out=tmp_path / "m.safetensors", recipe=SHORT)
    assert header.calibrated_on == "train"


def test_fine_tuning_starts_from_the_weights_of_a_model(
    spots: Dataset, model_path: Path, tmp_path: Path
) -> None:
    first: list[float] = []

    def watch(progress: TrainingProgress) -> None:
        first.append(progress.loss)

    short = retimed(RECIPE, steps=1)
    train(spots, out=tmp_path / "fresh.safetensors", recipe=short, watch=watch)
    train(spots, out=tmp_path / "tuned.safetensors", recipe=short, init=model_path, watch=watch)
    assert first[1] < 0.8 * first[0]


KEEPING = retimed(RECIPE, steps=8, validate_every=3, keep_of_start=0.75)


def test_a_share_of_the_weights_that_training_started_from_is_kept(
    spots: Dataset, model_path: Path, tmp_path: Path
) -> None:
    keeps_none = retimed(KEEPING, keep_of_start=0)
    train(spots, out=tmp_path / "last.safetensors", recipe=keeps_none, init=model_path)
    train(spots, out=tmp_path / "kept.safetensors", recipe=KEEPING, init=model_path)
    first, last, kept = (
        load_model(path)[1]["network.hidden.weight"]
        for path in (model_path, tmp_path / "last.safetensors", tmp_path / "kept.safetensors")
    )
    assert np.abs(last - first).max() > 1e-3
    np.testing.assert_allclose(kept, 0.25 * last + 0.75 * first, atol=1e-6)
    assert load_model(tmp_path / "kept.safetensors")[0].kept_of_start == 0.75
    assert load_model(tmp_path / "last.safetensors")[0].kept_of_start == 0


@pytest.mark.parametrize("parts", [("train",) * 5 + ("validation",) * 2, ("train",) * 5])
def test_weights_that_know_nothing_of_such_images_are_not_kept(
    parts: tuple[str, ...], tmp_path: Path
) -> None:
    dataset = dataset_at(tmp_path / "dataset", parts=parts)
    header, arrays = fresh_model(RECIPE)
    misled = {**arrays, "network.head.bias": arrays["network.head.bias"].copy()}
    misled["network.head.bias"][0] += 60
    start = tmp_path / "misled.safetensors"
    save_model(start, header, misled)
    recipe = retimed(RECIPE, steps=60, keep_of_start=0.75, learning_rate=0.05)
    found = train(dataset, out=tmp_path / "m.safetensors", recipe=recipe, init=start)
    alone = retimed(recipe, keep_of_start=0)
    assert found.kept_of_start == 0
    assert found.metrics == train(dataset, out=tmp_path / "a.safetensors", recipe=alone, init=start).metrics


def test_a_resumed_run_keeps_the_same_share_of_what_it_started_from(
    spots: Dataset, model_path: Path, tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    train(spots, out=whole, recipe=KEEPING, init=model_path)
    with pytest.raises(KeyboardInterrupt):
        train(spots, out=stopped, recipe=KEEPING, init=model_path, watch=interrupt_at(3))
    train(spots, out=stopped, recipe=KEEPING, resume=True)
    assert_same_model(whole, stopped)


def test_fine_tuning_keeps_what_fits_when_the_bins_are_others(
    spots: Dataset, model_path: Path, tmp_path: Path
) -> None:
    wider = retimed(RECIPE, steps=1, learning_rate=1e-9).replace(
        bins={"lowest_um": -8, "highest_um": 8, "width_um": 1}
    )
    train(spots, out=tmp_path / "m.safetensors", recipe=wider, init=model_path)
    stem = "network.of_window.weight"
    before, after = load_model(model_path)[1][stem], load_model(tmp_path / "m.safetensors")[1][stem]
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_weights_of_another_architecture_are_refused(
    spots: Dataset, model_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="another architecture"):
        train(spots, out=tmp_path / "m.safetensors", recipe=SHORT_WEI, init=model_path)
    save_model(tmp_path / "wei.safetensors", *fresh_model(WEI))
    with pytest.raises(InputError, match="another architecture"):
        train(spots, out=tmp_path / "m.safetensors", recipe=SHORT, init=tmp_path / "wei.safetensors")


def test_a_dataset_without_training_stacks_is_refused(tmp_path: Path) -> None:
    dataset = dataset_at(tmp_path / "data", parts=("validation", "test"))
    with pytest.raises(DatasetError, match="no training stacks"):
        train(dataset, out=tmp_path / "m.safetensors", recipe=SHORT)


def test_a_stack_that_nobody_annotated_is_refused(tmp_path: Path) -> None:
    dataset = dataset_at(tmp_path / "data", parts=("train", "train"))
    (dataset.folder / "annotations.csv").unlink()
    with pytest.raises(DatasetError, match="nobody annotated it"):
        train(dataset, out=tmp_path / "m.safetensors", recipe=SHORT)
    assert not (tmp_path / "m.training").exists()


def test_crops_that_do_not_fit_the_network_are_refused(spots: Dataset, tmp_path: Path) -> None:
    larger = SHORT_WEI.replace(sampling={"crop_um": 30.0, "pixel_size_um": 0.5})
    with pytest.raises(SettingsError, match=r"exactly 50 pixels.*60 to 60 pixels"):
        train(spots, out=tmp_path / "m.safetensors", recipe=larger)
    tiny = SHORT.replace(sampling={"crop_um": 3.0, "pixel_size_um": 0.5})
    with pytest.raises(SettingsError, match=r"of 32 pixels.*6 to 6 pixels"):
        train(spots, out=tmp_path / "m.safetensors", recipe=tiny)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_diverges_says_so_and_keeps_its_last_good_checkpoint(
    spots: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "m.safetensors"
    wild = retimed(SHORT, steps=100, learning_rate=1e30, warm_up=0.0)
    with pytest.raises(SettingsError, match=r"diverged.*learning_rate below 1e"):
        train(spots, out=out, recipe=wild)
    assert not out.exists() and not (tmp_path / "m.training" / CHECKPOINT).exists()


def test_a_place_that_cannot_be_written_is_told_before_the_first_step(spots: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file.*cannot be made"):
        train(spots, out=tmp_path / "file" / "m.safetensors", recipe=SHORT, watch=interrupt_at(1))


def test_training_in_bfloat16_prints_nothing(
    spots: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        train(spots, out=tmp_path / "m.safetensors", recipe=retimed(SHORT, steps=2, precision="bf16-mixed"))
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []
