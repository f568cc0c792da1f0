"""The model file: one safetensors file whose header says, as JSON, all that is known of the model."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from parfocal.data.whole_file import whole_file
from parfocal.errors import ModelError, SettingsError
from parfocal.model.bins import BinSettings
from parfocal.model.microscope_fit import MicroscopeFit
from parfocal.model.networks import NetworkSettings
from parfocal.model.recipe import Recipe
from parfocal.model.shipped import find_model, shipped_models
from parfocal.model.similar_optics import Optics, similar_pixel_um, stretch_between
from parfocal.settings import Settings

HEADER_KEY = "parfocal"
FORMAT_VERSION = 2
ACCEPT_ABOVE = 0.5
"""Where doubt begins. At 0.05 phase contrast was answered in six frames of seven, at 0.5 in none."""


class ModelHeader(Settings):
    """What a model file says of itself.

    Attributes
    ----------
    camera_pixel_size_um, working_pixel_size_um : float
        Pixel size of the training data, and that to which frames are averaged for the network.
    z_range_um : tuple of float
        Lowest and highest defocus in the training data.
    spread_scale : float
        Factor that makes the spread of the network's distribution, stretched as intervals are, a standard
        deviation of its error, see `parfocal.estimate.FocusEstimate`.
    interval90_scale : float
        Half the width of the 90 % interval in units of that standard deviation.
    usual_clipping : float
        See `parfocal.model.familiarity`.
    accept_above : float
        In-distribution score from which on an answer is stood by; lower where a stack of the microscope that
        the model was calibrated to showed that it is right there too.
    calibrated_on : str
        Part of the dataset on which spread, interval and clipping were measured; the name of the stacks,
        where the first two were measured again on another microscope.
    kept_of_start : float
        Share, in the weights, of those that training started from.
    apertures : tuple of float, optional
        Lowest and highest numerical aperture of the microscopes that the model knows, where it is a model of
        many; `objective` and `wavelength_um` are then of the one in whose um the network answers.
    optics : Optics, optional
        The microscope that such a model is to serve.
    microscope : MicroscopeFit, optional
        The line from the model's answers to the um of a microscope that it was calibrated to.
    """

    format_version: int = FORMAT_VERSION
    recipe: Recipe
    camera_pixel_size_um: float
    z_range_um: tuple[float, float]
    modality: str
    objective: dict[str, float] | None
    wavelength_um: float | None
    dof_um: float | None
    dataset: str
    data_fingerprint: str
    n_stacks: int
    spread_scale: float
    interval90_scale: float
    usual_clipping: float = 0.0
    accept_above: float = ACCEPT_ABOVE
    calibrated_on: str
    apertures: tuple[float, float] | None = None
    optics: Optics | None = None
    microscope: MicroscopeFit | None = None
    metrics: dict[str, float]
    parameters: int
    steps: int
    kept_of_start: float = 0.0
    package_version: str
    licence: str = "the licence of the training data"

    @cached_property
    def known_optics(self) -> Optics | None:
        """Those in whose um the network answers, with its working pixel; None if they are not known."""
        if self.objective is None or not self.wavelength_um:
            return None
        return Optics(
            pixel_size_um=self.recipe.sampling.pixel_size_um,
            numerical_aperture=self.objective["numerical_aperture"],
            immersion_index=self.objective["immersion_index"],
            wavelength_um=self.wavelength_um,
        )

    @property
    def served_optics(self) -> Optics | None:
        """Those of the microscope that the model serves; None if they are not known."""
        return self.optics or self.known_optics

    @cached_property
    def working_pixel_size_um(self) -> float:
        """Pixel size to which frames are averaged for the network."""
        if self.optics and self.known_optics:
            return similar_pixel_um(self.optics, self.known_optics)
        return self.recipe.sampling.pixel_size_um

    @property
    def field_um(self) -> float | None:
        """Side of the square in the centre of a frame that the model looks at; None for the whole frame."""
        own_um, own_pixel_um = self.recipe.field_um, self.recipe.sampling.pixel_size_um
        return None if own_um is None else own_um * self.working_pixel_size_um / own_pixel_um

    @cached_property
    def stretch(self) -> float:
        """How many um of the stage of the microscope served look like one um that the network says."""
        if not (self.optics and self.known_optics):
            return 1.0
        served, known = (
            (pixel_um, optics.immersion_index, optics.wavelength_um)
            for pixel_um, optics in (
                (self.working_pixel_size_um, self.optics),
                (self.known_optics.pixel_size_um, self.known_optics),
            )
        )
        return stretch_between(served, known)

    @property
    def bins(self) -> BinSettings:
        """The bins that the network's answers stand for."""
        return self.recipe.bins

    @property
    def answer_bins(self) -> BinSettings:
        """The same bins in um of the microscope that the model serves."""
        lowest_um, highest_um = self.in_answers(np.array([self.bins.lowest_um, self.bins.highest_um]))
        width_um = self.stretch * self.bins.width_um * (self.microscope.scale if self.microscope else 1.0)
        return BinSettings(lowest_um=lowest_um, highest_um=highest_um, width_um=width_um)

    def in_answers(self, defocus_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """The network's um as those of the microscope that the model serves."""
        answers_um = self.stretch * defocus_um
        return answers_um if self.microscope is None else self.microscope.of(answers_um)

    @property
    def answer_range_um(self) -> tuple[float, float]:
        """Lowest and highest defocus that can be told, in um of that microscope."""
        low_um, high_um = self.in_answers(np.array(self.z_range_um))
        return float(low_um), float(high_um)

    @property
    def network(self) -> NetworkSettings:
        """The network's architecture."""
        return self.recipe.network


def save_model(path: Path, header: ModelHeader, arrays: dict[str, NDArray[Any]]) -> None:
    """Writes a model beside its final name, then renames it.

    Raises
    ------
    OutputError
        If it cannot be written; an older file under that name stays as it was.
    """
    data = save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()},
        metadata={HEADER_KEY: header.model_dump_json()},
    )
    with whole_file(path) as draft, draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def load_model(path: Path) -> tuple[ModelHeader, dict[str, NDArray[Any]]]:
    """Header and arrays of a model file. Loading never executes code from the file.

    Parameters
    ----------
    path : Path
        Or the name of a shipped model.

    Raises
    ------
    ModelError
        If the file is missing, is no model, or is of a newer format.
    """
    path = find_model(path)
    if path.is_dir():
        raise ModelError(f"{path}: is a folder. Expected a model file.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        shipped = ", ".join(shipped_models())
        raise ModelError(f"{path}: there is no such model file. Shipped models: {shipped}.") from error
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: is not a safetensors model, or is truncated ({error}).") from error
    if HEADER_KEY not in metadata:
        raise ModelError(f"{path}: is a safetensors file, but not one that parfocal wrote.")
    return _read_header(metadata[HEADER_KEY], path=path), arrays


def _read_header(text: str, *, path: Path) -> ModelHeader:
    try:
        values = dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: its header is damaged ({error}). Train again.") from error
    version = values.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{path}: expected model format {FORMAT_VERSION}, got {version}. Update parfocal or train again."
        )
    try:
        return ModelHeader.parse(values, source=str(path))
    except SettingsError as error:
        raise ModelError(f"{error} Was the model made by another version of parfocal?") from error
