"""Bad input through the real command line: exit 2, one clear line, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mm_test_adapters
import numpy as np
import pytest
import tifffile
from PIL import Image

from command_line import Finished, Parfocal
from parfocal.data import write_stack
from parfocal.zstack import ZStack

DEMO_CONFIG = Path(mm_test_adapters.device_adapter_path()) / "MMConfig_demo.cfg"
STACK = "yeast-40x-0000"
FRAME = np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)


def refused(finished: Finished, *said: object) -> None:
    """Exit 2, nothing on the output stream, one line on the other, with certain words in it."""
    assert finished.code == 2, finished.err
    assert finished.out == ""
    (line,) = finished.err.splitlines()
    assert line.startswith("parfocal: ")
    for words in said:
        assert str(words) in line


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def truncated_tiff(path: Path) -> None:
    tifffile.imwrite(path, np.stack([FRAME] * 3), photometric="minisblack")
    path.write_bytes(path.read_bytes()[:100_000])


def text_file(path: Path) -> None:
    path.write_text("z,defocus\n1,2\n")


def colour_png(path: Path) -> None:
    Image.fromarray(np.stack([FRAME, FRAME.T, FRAME], axis=-1)).save(path, format="png")


def float64_tiff(path: Path) -> None:
    tifffile.imwrite(path, FRAME.astype(np.float64))


def grey_png(path: Path) -> None:
    Image.fromarray(FRAME).save(path, format="png")


def coarser_stack(path: Path) -> None:
    write_stack(path, ZStack(np.stack([FRAME] * 2), [0.0, 1.0], 0.5))


def nothing(path: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        pytest.param(truncated_tiff, (), "truncated", id="truncated TIFF"),
        pytest.param(text_file, (), "no known image format", id="text named .tif"),
        pytest.param(colour_png, (), "grey", id="colour"),
        pytest.param(float64_tiff, (), "float64", id="float64"),
        pytest.param(nothing, (), "No such file", id="missing"),
        pytest.param(Path.mkdir, (), "directory", id="a folder"),
        pytest.param(grey_png, (), "--pixel-size", id="unknown pixel size"),
        pytest.param(grey_png, ("--pixel-size", "0.5"), "pixels of 0.24 um", id="another pixel size"),
        pytest.param(coarser_stack, (), "pixels of 0.24 um", id="another pixel size in the file"),
        pytest.param(coarser_stack, ("--pixel-size", "0.24"), "0.5 um", id="contradicted pixel size"),
        pytest.param(grey_png, ("--pixel-size", "-1"), "above 0", id="negative pixel size"),
        pytest.param(grey_png, ("--pixel-size", "nan"), "above 0", id="pixel size that is no number"),
        pytest.param(grey_png, ("--pixel-size", "0.24", "--na", "0.5"), "NA 1.3", id="another objective"),
        pytest.param(grey_png, ("--immersion", "glue"), "'glue'", id="unknown immersion"),
    ],
)
def test_estimate_refuses(
    make: Callable[[Path], None],
    options: tuple[str, ...],
    said: str,
    trained: Path,
    tmp_path: Path,
    parfocal: Parfocal,
) -> None:
    image = tmp_path / "image.tif"
    make(image)
    refused(parfocal("estimate", trained, image, *options), said)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10_000])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(Path.unlink, "no such model file", id="missing"),
        pytest.param(text_file, "safetensors", id="not a model"),
        pytest.param(cut_short, "truncated", id="truncated"),
    ],
)
def test_a_bad_model_is_refused(
    spoil: Callable[[Path], None], said: str, trained: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    model, image = tmp_path / "model.safetensors", tmp_path / "image.png"
    shutil.copy(trained, model)
    spoil(model)
    grey_png(image)
    refused(parfocal("estimate", model, image), model, said)


def annotate_outside(dataset: Path) -> None:
    path = dataset / "annotations.csv"
    lines = path.read_text("utf-8").splitlines()
    path.write_text(
        "\n".join([*lines, *(f"yeast-40x-000{k},5000.0,bob,2018-07-01" for k in range(4))]), "utf-8"
    )


def leave_no_test_stacks(dataset: Path) -> None:
    path = dataset / "split.csv"
    path.write_text(path.read_text("utf-8").replace(",test", ",train"), "utf-8")


def annotate_nothing(dataset: Path) -> None:
    (dataset / "annotations.csv").unlink()


def lose_the_split(dataset: Path) -> None:
    (dataset / "split.csv").unlink()


def cut_the_stacks(dataset: Path) -> None:
    for path in (dataset / "stacks").iterdir():
        cut_short(path)


def misspell_a_key(dataset: Path) -> None:
    path = dataset / "dataset.toml"
    path.write_text("pixel_size = 0.24\n" + path.read_text("utf-8"), "utf-8")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(annotate_outside, "5000", id="annotation outside the stack"),
        pytest.param(annotate_nothing, "annotated", id="no annotations"),
        pytest.param(leave_no_test_stacks, "'test' of split.csv", id="empty part"),
        pytest.param(lose_the_split, "split.csv", id="no split"),
        pytest.param(cut_the_stacks, "truncated", id="truncated stacks"),
        pytest.param(misspell_a_key, "'pixel_size'", id="unknown key in dataset.toml"),
        pytest.param(shutil.rmtree, "there is no folder", id="missing"),
    ],
)
def test_evaluate_refuses_a_bad_dataset(
    spoil: Callable[[Path], None],
    said: str,
    trained: Path,
    dataset: Path,
    tmp_path: Path,
    parfocal: Parfocal,
) -> None:
    spoil(dataset)
    before = contents(dataset)
    refused(parfocal("evaluate", trained, dataset, "--out", tmp_path / "report"), said)
    assert contents(dataset) == before
    assert not (tmp_path / "report" / "metrics.json").exists()


def test_evaluate_refuses_an_unknown_part(
    trained: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    options = ("--part", "exam", "--out", tmp_path / "report")
    refused(parfocal("evaluate", trained, simulated, *options), "train, validation, test", "'exam'")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        pytest.param("none.safetensors", "no such model file", id="no model"),
        pytest.param("empty", "metrics.json: expected what an evaluation writes", id="no evaluation"),
        pytest.param("report", "another folder than --out", id="the folder that is written"),
    ],
)
def test_evaluate_refuses_what_it_cannot_compare_with_before_any_work(
    other: str, said: str, trained: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    for folder in ("empty", "report"):
        (tmp_path / folder).mkdir()
    options = ("--compare", tmp_path / other, "--out", tmp_path / "report")
    refused(parfocal("evaluate", trained, simulated, *options), said)
    assert not any((tmp_path / "report").iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(("--recipe", "wei2081"), "wei2018", id="unknown recipe"),
        pytest.param(("--recipe", "RECIPE.toml"), "known keys: batch_size", id="unknown key in a recipe"),
        pytest.param(("--recipe", "none.toml"), "none.toml: cannot be read", id="missing recipe"),
        pytest.param(("--resume",), "no checkpoint to resume from", id="resume without checkpoint"),
        pytest.param(("--init", "none.safetensors"), "no such model file", id="missing first weights"),
        pytest.param(
            ("--init", "bright-field", "--size", "tiny"),
            "--size or --init",
            id="size of a model that has one",
        ),
        pytest.param(("--steps", "0"), "'--steps'", id="no steps"),
        pytest.param(("--minutes", "inf"), "'--minutes'", id="endless minutes"),
        pytest.param(("--seed", "-1"), "'--seed'", id="negative seed"),
        pytest.param(("--steps", "many"), "'--steps'", id="steps that are no number"),
        pytest.param(("--epochs", "3"), "--epochs", id="unknown option"),
    ],
)
def test_train_refuses(
    options: tuple[str, ...], said: str, dataset: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    recipe = tmp_path / "RECIPE.toml"
    recipe.write_text("[training]\nepochs = 3\n", "utf-8")
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"an older model")
    given = [str(recipe) if option == recipe.name else option for option in options]
    finished = parfocal("train", dataset, "--out", model, *given)
    assert (finished.code, finished.complaint.startswith("parfocal: ")) == (2, True), finished.err
    assert said in finished.complaint
    assert "Traceback" not in finished.err
    assert model.read_bytes() == b"an older model"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(annotate_outside, "5000", id="annotation outside the stack"),
        pytest.param(annotate_nothing, "annotated", id="no annotations"),
        pytest.param(lose_the_split, "split.csv", id="no split"),
    ],
)
def test_train_refuses_a_bad_dataset(
    spoil: Callable[[Path], None], said: str, dataset: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    spoil(dataset)
    refused(parfocal("train", dataset, "--out", tmp_path / "model.safetensors", "--steps", 1), said)


def test_train_refuses_a_folder_as_its_model(simulated: Path, tmp_path: Path, parfocal: Parfocal) -> None:
    refused(parfocal("train", simulated, "--out", tmp_path), "directory")


def plain_tiff(path: Path) -> None:
    tifffile.imwrite(path, FRAME)


def without_positions(path: Path) -> None:
    tifffile.imwrite(path, np.stack([FRAME] * 3), ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.24})


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        pytest.param(without_positions, (), "PositionZ", id="no z positions"),
        pytest.param(plain_tiff, (), "OME", id="no OME metadata"),
        pytest.param(grey_png, (), "OME-TIFF", id="not a TIFF"),
        pytest.param(nothing, (), "No such file", id="missing"),
        pytest.param(coarser_stack, (), "pixels of 0.24 um", id="another pixel size"),
        pytest.param(coarser_stack, ("--speed", "2"), "--simulate only", id="hurried"),
        pytest.param(coarser_stack, ("--pixel-size", "0.24"), "--config only", id="pixel size told twice"),
        pytest.param(coarser_stack, ("--simulate", "yeast-40x"), "exactly one", id="two sources"),
        pytest.param(coarser_stack, ("--largest-step", "0"), "largest_step_um", id="no step"),
        pytest.param(coarser_stack, ("--lowest-z", "9"), "lowest_z_um", id="limits upside down"),
        pytest.param(coarser_stack, ("--target", "nan"), "target_um", id="no target"),
        pytest.param(coarser_stack, ("--dead-band", "40"), "at most tolerance_um", id="wide dead band"),
        pytest.param(coarser_stack, ("--hours", "0"), "above 0", id="no time"),
        pytest.param(coarser_stack, ("--out", "run.png"), "run.sqlite", id="record named like its plot"),
    ],
)
def test_lock_refuses_and_leaves_no_record(
    make: Callable[[Path], None],
    options: tuple[str, ...],
    said: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parfocal: Parfocal,
) -> None:
    monkeypatch.chdir(tmp_path)
    stack = tmp_path / "stack.ome.tif"
    make(stack)
    before = contents(tmp_path)
    refused(parfocal("lock", trained, "--replay", stack, *options), said)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param((), "exactly one of --config, --simulate and --replay, got 0", id="no source"),
        pytest.param(("--simulate", "worm-10x"), "yeast-40x", id="unknown preset"),
        pytest.param(("--simulate", "yeast-40x", "--speed", "0"), "'--speed'", id="no speed"),
        pytest.param(("--simulate", "yeast-40x", "--quality", "best"), "'best'", id="unknown quality"),
        pytest.param(("--config", "none.cfg"), "none.cfg: there is no such file", id="missing config"),
        pytest.param(
            ("--config", DEMO_CONFIG), "The drive stands at 0.00 um now. Nothing was moved", id="no limits"
        ),
        pytest.param(
            ("--config", DEMO_CONFIG, "--lowest-z", "-50"),
            "Expected --lowest-z and --highest-z",
            id="one limit",
        ),
    ],
)
def test_lock_refuses_a_bad_source(
    options: tuple[str, ...], said: str, trained: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    refused(parfocal("lock", trained, *options, "--out", tmp_path / "run.sqlite"), said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["run.sqlite", "run.png"])
def test_lock_never_overwrites_a_run(
    name: str, trained: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    (tmp_path / name).write_bytes(b"an older run")
    stack = simulated / "stacks" / f"{STACK}.ome.tif"
    options = ("--replay", stack, "--out", tmp_path / "run.sqlite")
    refused(parfocal("lock", trained, *options), tmp_path / name, "never overwritten")
    assert contents(tmp_path) == {tmp_path / name: b"an older run"}


@pytest.mark.parametrize("verb", ["show", "export", "replay"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(nothing, "no such file", id="missing"),
        pytest.param(text_file, "not a run record", id="not a database"),
    ],
)
def test_runs_refuses(
    make: Callable[[Path], None], said: str, verb: str, tmp_path: Path, parfocal: Parfocal
) -> None:
    run = tmp_path / "run.sqlite"
    make(run)
    options = ("--out", tmp_path / "run.csv") if verb == "export" else ()
    refused(parfocal("runs", verb, run, *options), run, said)
    assert not (tmp_path / "run.csv").exists()


@pytest.fixture(scope="module")
def short_run(
    trained: Path, simulated: Path, tmp_path_factory: pytest.TempPathFactory, parfocal: Parfocal
) -> Path:
    """The record of a lock of a few frames on a recorded stack, without images. Not to be changed."""
    record = tmp_path_factory.mktemp("short") / "run.sqlite"
    stack = simulated / "stacks" / f"{STACK}.ome.tif"
    parfocal("lock", trained, "--replay", stack, "--hours", 0.0001, "--out", record, "--keep-image-every", 0)
    return record


@pytest.fixture
def run(short_run: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(short_run, tmp_path / "run.sqlite"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param((), "are over. Give it more of them to go on", id="over"),
        pytest.param(
            ("--out", "new.sqlite", "--hours", "1"), "--out for a new run or --resume", id="two names"
        ),
        pytest.param(("--simulate", "yeast-40x", "--hours", "1"), "Resume it there", id="another rig"),
        pytest.param(("--speed", "2", "--hours", "1"), "--simulate only", id="hurried"),
        pytest.param(("--highest-z", "-900", "--hours", "1"), "lowest_z_um", id="limits upside down"),
        pytest.param(("--keep-image-every", "-1", "--hours", "1"), "--keep-image-every", id="no interval"),
    ],
)
def test_resume_refuses_and_leaves_the_record_as_it_was(
    options: tuple[str, ...], said: str, run: Path, trained: Path, parfocal: Parfocal
) -> None:
    before = contents(run.parent)
    refused(parfocal("lock", trained, "--resume", run, *options), said)
    assert contents(run.parent) == before


def test_resume_refuses_another_model_and_no_record(run: Path, trained: Path, parfocal: Parfocal) -> None:
    before = contents(run.parent)
    refused(
        parfocal(
            "lock", "bright-field-high-na", "--resume", run, "--hours", 1, "--na", 1.3, "--immersion", "oil"
        ),
        "with the same model",
    )
    refused(parfocal("lock", trained, "--resume", run.with_name("none.sqlite")), "no such file")
    assert contents(run.parent) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(("export",), "--out for a table, --images for a folder", id="nothing to export"),
        pytest.param(("export", "--out", "run.xlsx"), "ends in .csv or .parquet", id="unknown table"),
        pytest.param(("export", "--images", "new"), "kept no images", id="no images to write"),
        pytest.param(("replay", "bright-field-high-na"), "NA", id="optics not known"),
        pytest.param(("replay", "--dead-band", "-1"), "dead_band_um", id="no dead band"),
        pytest.param(("replay", "--dead-band", "40"), "at most tolerance_um", id="wide dead band"),
    ],
)
def test_runs_refuses_what_a_record_has_not(
    options: tuple[str, ...], said: str, run: Path, parfocal: Parfocal
) -> None:
    before = contents(run.parent)
    verb, *rest = options
    refused(parfocal("runs", verb, run, *rest), said)
    assert contents(run.parent) == before


def test_runs_replay_refuses_a_model_where_no_images_are(
    run: Path, trained: Path, parfocal: Parfocal
) -> None:
    refused(parfocal("runs", "replay", run, trained), run, "kept no images")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(("--preset", "worm-10x"), "bacteria-100x, got 'worm-10x'", id="unknown preset"),
        pytest.param(("--quality", "best"), "'best'", id="unknown quality"),
        pytest.param(("--stacks", "2"), "at least 3", id="too few to split"),
        pytest.param(("--workers", "0"), "'--workers'", id="no workers"),
        pytest.param(("--seed", "-1"), "'--seed'", id="negative seed"),
        pytest.param(("--scheduler", "http://here"), "tcp://host:8786", id="no scheduler"),
        pytest.param(
            ("--device", "quark"),
            "a device that torch sees, such as cpu or cuda, got 'quark'",
            id="no device",
        ),
    ],
)
def test_simulate_refuses(options: tuple[str, ...], said: str, tmp_path: Path, parfocal: Parfocal) -> None:
    refused(parfocal("simulate", tmp_path / "new", *options), said)
    assert not list(tmp_path.iterdir())


def test_simulate_refuses_a_folder_with_something_in_it(dataset: Path, parfocal: Parfocal) -> None:
    before = contents(dataset)
    refused(parfocal("simulate", dataset, "--stacks", 3), dataset, "new or an empty folder")
    assert contents(dataset) == before


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        pytest.param("file,stack,z\na.tif,a,1\n", (), "Expected the columns path, stack, z_um", id="columns"),
        pytest.param("path,stack,z_um\nnone.tif,a,1\n", (), "line 2: ", id="missing image"),
        pytest.param("path,stack,z_um\na.png,a,far\n", (), "got 'far'", id="z that is no number"),
        pytest.param("path,stack,z_um\n", (), "got none", id="empty"),
        pytest.param(
            "path,stack,z_um\na.png,a,1\n", ("--na", "1.3"), "--magnification", id="half an objective"
        ),
        pytest.param(
            "path,stack,z_um\na.png,a,1\n",
            ("--na", "1.3", "--magnification", "40"),
            "below the immersion index",
            id="aperture beyond air",
        ),
        pytest.param("path,stack,z_um\na.png,a,1\n", ("--pixel-size", "0"), "above 0", id="no pixel size"),
    ],
)
def test_import_refuses(
    table: str, options: tuple[str, ...], said: str, tmp_path: Path, parfocal: Parfocal
) -> None:
    grey_png(tmp_path / "a.png")
    (tmp_path / "table.csv").write_text(table, "utf-8")
    before = contents(tmp_path)
    new = ("import", tmp_path / "table.csv", tmp_path / "new", "--pixel-size", 0.24)
    refused(parfocal(*new, *options), said)
    assert contents(tmp_path) == before


def test_demo_refuses_a_folder_of_somebody_else(tmp_path: Path, parfocal: Parfocal) -> None:
    (tmp_path / "thesis.tex").write_text("chapter 1")
    refused(parfocal("demo", "--out", tmp_path), tmp_path, "no demo put there")
    refused(parfocal("demo", "--out", tmp_path / "thesis.tex"), "no demo put there")
    assert contents(tmp_path) == {tmp_path / "thesis.tex": b"chapter 1"}


def test_a_path_that_the_terminal_cannot_show_is_told_all_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from parfocal.cli import main; main()", "runs", "show", "φακός.sqlite"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b".sqlite: there is no such file" in done.stderr


def test_a_usage_error_is_one_line(parfocal: Parfocal) -> None:
    refused(parfocal("lok"), "Did you mean 'lock'?", "parfocal --help")
    refused(parfocal("lock"), "MODEL")
    refused(parfocal("runs"), "Missing command")
