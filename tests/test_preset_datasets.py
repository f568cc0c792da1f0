"""A dataset of every preset: written, and read back by readers that know nothing of parfocal."""

from __future__ import annotations

import tomllib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from command_line import Parfocal
from parfocal.cli import options
from parfocal.collect import simulate_dataset
from parfocal.data import Dataset
from parfocal.optics import PRESETS, VirtualMicroscope, preset

N_PLANES = 5
NARROW_PX = {
    "yeast-40x": 80,
    "pombe-60x": 80,
    "adherent-20x": 200,
    "euglena-10x-phase": 104,
    "euglena-10x-stained": 104,
    "bacteria-100x": 64,
}
"""A field just wider than the preset's largest body."""


def narrow(name: str) -> VirtualMicroscope:
    """A preset with a small field and few planes; its optics and specimens are its own."""
    settings = preset(name, quality="ci")
    side, half_range_um = NARROW_PX[name], settings.scan.half_range_um
    return settings.replace(
        camera=settings.camera.replace(height_px=side, width_px=side),
        scan=settings.scan.replace(step_um=2 * half_range_um / (N_PLANES - 1)),
    )


def planes_of(path: Path) -> tuple[np.ndarray, ElementTree.Element, list[float]]:
    """Frames, OME pixels and plane positions, as tifffile and the XML tell them."""
    with tifffile.TiffFile(path) as file:
        frames, root = file.asarray(), ElementTree.fromstring(file.ome_metadata or "")
    pixels = next(element for element in root.iter() if element.tag.endswith("}Pixels"))
    planes = [element for element in pixels if element.tag.endswith("}Plane")]
    return frames, pixels, [float(plane.attrib["PositionZ"]) for plane in planes]


@pytest.fixture(scope="module", params=PRESETS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Dataset]:
    """The name of a preset and a dataset of three narrow stacks of it."""
    folder = tmp_path_factory.mktemp("presets") / request.param
    return request.param, simulate_dataset(folder, narrow(request.param), n_stacks=3, seed=2)


def test_a_dataset_of_a_preset_reads_back(made: tuple[str, Dataset]) -> None:
    name, dataset = made
    side = NARROW_PX[name]
    for stack in dataset.stack_ids():
        frames, pixels, z_um = planes_of(dataset.stack_path(stack))
        assert frames.shape == (N_PLANES, side, side)
        assert frames.dtype == np.uint16
        assert frames.std() > 0.005 * frames.mean()
        assert float(pixels.attrib["PhysicalSizeX"]) == PRESETS[name].camera.pixel_size_um
        assert z_um == sorted(z_um)
        assert z_um[0] < dataset.focus_z_um(stack) < z_um[-1]


def test_a_dataset_tells_how_its_preset_sees(made: tuple[str, Dataset]) -> None:
    name, dataset = made
    told = tomllib.loads((dataset.folder / "dataset.toml").read_text("utf-8"))
    assert told["modality"] == ("phase-contrast" if name == "euglena-10x-phase" else "bright-field")
    assert told["pixel_size_um"] == PRESETS[name].camera.pixel_size_um
    objective = PRESETS[name].objective
    assert told["objective"] == {
        "numerical_aperture": objective.numerical_aperture,
        "magnification": objective.magnification,
        "immersion_index": objective.immersion_index,
    }


def test_simulate_takes_a_preset_by_its_name(tmp_path: Path, parfocal: Parfocal) -> None:
    arguments = ("--preset", "bacteria-100x", "--stacks", 3, "--quality", "ci", "--workers", 1)
    finished = parfocal("simulate", tmp_path / "bacteria", *arguments)
    assert finished.code == 0, finished.err
    assert finished.out.strip().endswith("bacteria: 3 z-stacks (1 train, 1 validation, 1 test)")
    paths = sorted((tmp_path / "bacteria" / "stacks").iterdir())
    assert [path.name for path in paths] == [f"bacteria-100x-000{k}.ome.tif" for k in range(3)]
    for path in paths:
        frames, pixels, z_um = planes_of(path)
        assert frames.shape == (31, 256, 256)
        assert pixels.attrib["PhysicalSizeX"] == "0.13"
        assert len(z_um) == 31


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_described(name: str) -> None:
    assert f"``{name}``: " in (preset.__doc__ or "")


def test_help_names_every_microscope() -> None:
    assert options.MICROSCOPES.replace(" or ", ", ").split(", ") == list(PRESETS)
