"""Which microscopes a model serves, and how a model of many is made ready for one of them."""

from __future__ import annotations

from typing import Literal

from parfocal.data.dataset_settings import DatasetSettings
from parfocal.errors import InputError, ModelError
from parfocal.model.model_file import ModelHeader
from parfocal.model.similar_optics import GREEN_UM, Optics

Immersion = Literal["air", "water", "oil"]
IMMERSION_INDEX: dict[Immersion, float] = {"air": 1.0, "water": 1.33, "oil": 1.515}
SAME_OPTICS = 0.05
"""Relative difference of numerical aperture or index that is still the same lens."""


def ready_for(
    header: ModelHeader,
    *,
    pixel_size_um: float | None = None,
    numerical_aperture: float | None = None,
    immersion_index: float | None = None,
    wavelength_um: float | None = None,
) -> ModelHeader:
    """A model that serves the microscope that a user tells of: one of many made ready for it.

    Parameters
    ----------
    header : ModelHeader
    pixel_size_um, numerical_aperture : float, optional
        A model of many microscopes needs them.
    immersion_index : float, optional
        That of air for apertures below 1, if it is not said.
    wavelength_um : float, optional
        Green, if it is not said.

    Raises
    ------
    InputError
        If something is needed and not said.
    SettingsError
        If such an objective cannot be.
    ModelError
        If the model was not made for it, or the camera's pixels are too coarse.
    """
    if not is_of_many(header):
        check_objective(
            header,
            numerical_aperture=numerical_aperture,
            immersion_index=immersion_index,
            wavelength_um=wavelength_um,
        )
        return header
    needed = {"--na NA": numerical_aperture, "--pixel-size UM": pixel_size_um}
    missing = [option for option, value in needed.items() if value is None]
    if pixel_size_um is None or numerical_aperture is None:
        raise InputError(
            f"Expected the optics of your microscope, as this model serves many: {' and '.join(missing)}, "
            "and --immersion if it is not air."
        )
    if immersion_index is None and numerical_aperture >= 1:
        raise InputError(f"Expected --immersion oil or water with an objective of NA {numerical_aperture:g}.")
    values = {
        "pixel_size_um": pixel_size_um,
        "numerical_aperture": numerical_aperture,
        "immersion_index": immersion_index or 1.0,
        "wavelength_um": wavelength_um or GREEN_UM,
    }
    return serving(header, Optics.parse(values, source="the optics given"))


def ready_for_dataset(header: ModelHeader, settings: DatasetSettings) -> ModelHeader:
    """A model that serves the microscope of a dataset.

    Raises
    ------
    ModelError
        If the dataset is of another modality or objective than those that the model was made for, or does
        not tell its objective where the model must know it.
    """
    if settings.modality != header.modality:
        raise ModelError(
            f"This model was made for {header.modality}, the dataset '{settings.name}' is "
            f"{settings.modality}. Train a model for it."
        )
    if settings.objective is None:
        if is_of_many(header):
            raise ModelError(
                f"Expected a dataset that tells its objective, as this model serves many; "
                f"'{settings.name}' does not. Add [objective] to its dataset.toml."
            )
        return header
    optics = Optics(
        pixel_size_um=settings.pixel_size_um,
        numerical_aperture=settings.objective.numerical_aperture,
        immersion_index=settings.objective.immersion_index,
        wavelength_um=settings.wavelength_um or GREEN_UM,
    )
    return serving(header, optics)


def is_of_many(header: ModelHeader) -> bool:
    """Whether a model knows many microscopes, and is not yet made ready for one of them."""
    return header.apertures is not None and header.optics is None


def index_of(immersion: str) -> float:
    """Refractive index of an immersion: ``air``, ``water`` or ``oil``.

    Raises
    ------
    InputError
        If there is no such immersion.
    """
    if immersion not in IMMERSION_INDEX:
        raise InputError(f"Expected an immersion among {', '.join(IMMERSION_INDEX)}; got '{immersion}'.")
    return IMMERSION_INDEX[immersion]


def serving(header: ModelHeader, optics: Optics) -> ModelHeader:
    """A model that serves a microscope: one of many made ready for it, any other as it is.

    Raises
    ------
    ModelError
        If the model does not know such objectives, or the camera's pixels are too coarse.
    """
    if header.apertures is None or not is_of_many(header):
        check_objective(
            header, numerical_aperture=optics.numerical_aperture, immersion_index=optics.immersion_index
        )
        return header
    lowest, highest = header.apertures
    if not lowest * (1 - SAME_OPTICS) <= optics.numerical_aperture <= highest * (1 + SAME_OPTICS):
        raise ModelError(
            f"This model knows objectives from NA {lowest:g} to {highest:g}, got NA "
            f"{optics.numerical_aperture:g}. Train one on your own stacks."
        )
    ready = header.replace(optics=optics.model_dump(), camera_pixel_size_um=optics.pixel_size_um)
    assert ready.working_pixel_size_um  # refuses pixels that are too coarse
    return ready


def check_objective(
    header: ModelHeader,
    *,
    numerical_aperture: float | None = None,
    immersion_index: float | None = None,
    wavelength_um: float | None = None,
) -> None:
    """Refuses an objective, or light, that a model of one microscope was not made for.

    Raises
    ------
    ModelError
        If one of them differs from the model's, where both are known.
    """
    lens, light_um = header.objective or {}, header.wavelength_um
    if header.optics:
        lens, light_um = header.optics.model_dump(), header.optics.wavelength_um
    for name, given, known in (
        ("NA", numerical_aperture, lens.get("numerical_aperture")),
        ("immersion of index", immersion_index, lens.get("immersion_index")),
        ("light of um", wavelength_um, light_um),
    ):
        if given is not None and known is not None and abs(given / known - 1) > SAME_OPTICS:
            raise ModelError(
                f"This model was made for {name} {known:g}, got {given:g}. Use a model for this microscope."
            )
