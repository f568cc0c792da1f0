"""The verb that fits a model to a microscope, and the map that ``estimate`` draws."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from command_line import Parfocal
from parfocal.data.stack_io import read_image

STACK = Path("stacks", "yeast-40x-0000.ome.tif")


@pytest.fixture(scope="module")
def able(simulated: Path, tmp_path_factory: pytest.TempPathFactory, parfocal: Parfocal) -> Path:
    """A model that learned enough for its answers to rise with the stage."""
    model = tmp_path_factory.mktemp("able") / "model.safetensors"
    finished = parfocal("train", simulated, "--out", model, "--steps", 150)
    assert finished.code == 0, finished.err
    return model


def test_a_dataset_calibrates_a_model(
    able: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    out = tmp_path / "mine.safetensors"
    finished = parfocal("calibrate", able, simulated, "--out", out)
    assert finished.code == 0, finished.err
    line, summary = finished.out.splitlines()
    assert line.startswith("defocus = ") and " x answer " in line
    assert summary.startswith(f"{out}: mean error ")
    assert "each stack by the others' line" in summary and "of 3 stacks" in summary
    estimated = parfocal("estimate", out, simulated / STACK, "--json")
    assert estimated.code == 0 and len(estimated.out.splitlines()) == 31


def test_a_stack_without_a_focus_gives_the_scale_and_says_so(
    able: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    out = tmp_path / "mine.safetensors"
    finished = parfocal("calibrate", able, simulated / STACK, "--out", out)
    assert finished.code == 0, finished.err
    assert "on the same stack" in finished.out and "of 1 stack\n" in finished.out
    assert "Scale only" in finished.err and "--focus UM" in finished.err


def test_a_model_that_learned_nothing_is_refused(simulated: Path, tmp_path: Path, parfocal: Parfocal) -> None:
    model, out = tmp_path / "fresh.safetensors", tmp_path / "mine.safetensors"
    assert parfocal("train", simulated, "--out", model, "--steps", 1, "--init", "none").code == 0
    finished = parfocal("calibrate", model, simulated / STACK, "--out", out)
    assert finished.code == 2
    assert finished.complaint.startswith("parfocal: Expected ")
    assert not out.exists()


def test_a_focus_for_a_dataset_is_refused(
    able: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    finished = parfocal("calibrate", able, simulated, "--focus", 100, "--out", tmp_path / "m.safetensors")
    assert finished.code == 2 and "Leave --focus out" in finished.complaint
    finished = parfocal("calibrate", able, simulated, "--na", 0.9, "--out", tmp_path / "m.safetensors")
    assert finished.code == 2 and "tells them in its dataset.toml" in finished.complaint


def test_a_focus_outside_the_stack_is_refused(
    able: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    out = tmp_path / "m.safetensors"
    finished = parfocal("calibrate", able, simulated / STACK, "--focus", 3000, "--out", out)
    assert finished.code == 2 and "where the stack's planes are; got 3000" in finished.complaint


def test_the_map_of_one_image_is_one_figure(
    able: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    image, out = tmp_path / "frame.png", tmp_path / "map.png"
    write_plane(simulated / STACK, image, plane=15)
    finished = parfocal("estimate", able, image, "--pixel-size", 0.24, "--map", "--out", out)
    assert finished.code == 0, finished.err
    assert finished.out.splitlines()[-1] == str(out)
    with Image.open(out) as figure:
        assert figure.width > 600 and figure.height > 600


def test_the_maps_of_several_images_are_numbered(
    able: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    images = [tmp_path / name for name in ("a.png", "b.png")]
    for plane, image in enumerate(images):
        write_plane(simulated / STACK, image, plane=14 + plane)
    out = tmp_path / "map.png"
    finished = parfocal("estimate", able, *images, "--pixel-size", 0.24, "--map", "--out", out, "--json")
    assert finished.code == 0, finished.err
    assert len([json.loads(line) for line in finished.out.splitlines()]) == 2
    assert finished.err.splitlines() == [str(tmp_path / f"map-0{k}.png") for k in range(2)]
    assert all((tmp_path / f"map-0{k}.png").exists() for k in range(2))


@pytest.mark.parametrize(
    ("name", "told"), [("map.doc", "Expected a figure named *.png"), ("no/map.png", "there is no folder")]
)
def test_a_figure_that_cannot_be_is_refused_before_any_work(
    name: str, told: str, able: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    finished = parfocal("estimate", able, simulated / STACK, "--map", "--out", tmp_path / name)
    assert finished.code == 2 and finished.out == ""
    assert told in finished.complaint


def write_plane(stack: Path, image: Path, *, plane: int) -> None:
    Image.fromarray(read_image(stack).frames_zyx[plane]).save(image)
