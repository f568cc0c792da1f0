"""Z-stacks from the virtual microscope, each a pure function of settings and seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from parfocal.errors import InputError
from parfocal.optics.camera import expose
from parfocal.optics.imaging import exit_field
from parfocal.optics.instrument import CondenserSettings, ScanSettings, VirtualMicroscope
from parfocal.optics.scene import Scene
from parfocal.optics.specimens import SpecimenSettings, scene_of
from parfocal.zstack import ZStack

STAGE_AT_START_UM = 100.0


@dataclass(frozen=True, eq=False)
class SimulatedStack:
    """A z-stack and the truth about it.

    Attributes
    ----------
    stack : ZStack
    focus_z_um : float
        Stage position at which the cells on the floor are in focus.
    experiment : int
        The day that the stack belongs to.
    scene : Scene
        What lies in the field.
    settings : VirtualMicroscope
        The microscope on that day.
    scene_seed : int
        Seed of the scene and of the source points.
    """

    stack: ZStack
    focus_z_um: float
    experiment: int
    scene: Scene
    settings: VirtualMicroscope
    scene_seed: int

    @property
    def n_cells(self) -> int:
        """Cells and buds in the field."""
        return len(self.scene.cells)


def simulate_stack(
    settings: VirtualMicroscope,
    *,
    seed: int,
    index: int,
    experiment: int = 0,
    n_cells: int | None = None,
    device: str = "cpu",
) -> SimulatedStack:
    """One z-stack of a new field of view.

    Parameters
    ----------
    settings : VirtualMicroscope
    seed, index : int
        Seed of the dataset and number of the stack in it.
    experiment : int
        Stacks of one experiment share the day's condenser, index and light.
    n_cells : int, optional
        Cells to place; by default a random number between the settings' fewest and most, more often few.
    device : str
        Where light is computed, as torch names it.

    Notes
    -----
    The planes sit at a random offset from focus, so that no network is scored on bin centres alone.
    """
    generator = np.random.default_rng([seed, index])
    today = settings_of_day(settings, seed=seed, experiment=experiment)
    scene_seed = int(generator.integers(2**31))
    scene = scene_of(
        today.specimens, today.chamber, today.camera.field_yx_um, seed=scene_seed, n_cells=n_cells
    )
    defocus_um = _planes_um(settings.scan, generator=generator)
    with _one_thread():
        field = exit_field(scene, today, seed=scene_seed, device=device)
        frames = [
            expose(field.intensity(field.focus_z_um + z), today.camera, generator=generator)
            for z in defocus_um
        ]
    focus_z_um = round(STAGE_AT_START_UM + float(generator.uniform(-20, 20)), 3)
    stack = ZStack(np.stack(frames), np.round(focus_z_um + defocus_um, 3), today.camera.pixel_size_um)
    return SimulatedStack(stack, focus_z_um, experiment, scene, today, scene_seed)


def check_device(device: str) -> None:
    """Refuses a device that torch does not see.

    Raises
    ------
    InputError
        If it cannot compute there.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        raise InputError(
            f"Expected a device that torch sees, such as cpu or cuda, got '{device}' ({_first_line(error)})."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Two threads of a busy machine took seven times as long; many stacks are made by many processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def settings_of_day(settings: VirtualMicroscope, *, seed: int, experiment: int) -> VirtualMicroscope:
    """The microscope as it is on one day: condenser, cytoplasm and light differ a little from day to day."""
    generator = np.random.default_rng([seed, 10_000, experiment])
    days = settings.days
    opened = 1 + days.condenser_na * float(np.clip(generator.standard_normal(), -4, 4))
    index_shift = days.cytoplasm_index * generator.standard_normal()
    light = settings.camera.background_electrons * (1 + days.light * generator.uniform(-1, 1))
    return settings.replace(
        condenser=_opened(settings, opened),
        specimens=tuple(_denser(specimen, index_shift) for specimen in settings.specimens),
        camera=settings.camera.replace(
            background_electrons=float(light), pattern_seed=int(generator.integers(2**31))
        ),
    )


def _opened(settings: VirtualMicroscope, factor: float) -> CondenserSettings:
    """A condenser whose diaphragm is opened or closed a little; an annulus has none."""
    condenser = settings.condenser
    if condenser.inner_numerical_aperture:
        return condenser
    widest_na = min(settings.objective.numerical_aperture, 0.999 * settings.chamber.medium_index)
    return condenser.replace(numerical_aperture=min(condenser.numerical_aperture * factor, widest_na))


def _denser(specimen: SpecimenSettings, index_shift: float) -> SpecimenSettings:
    """A specimen whose cytoplasm, if it has any, differs a little in index."""
    index = getattr(specimen, "cytoplasm_index", None)
    return specimen if index is None else specimen.replace(cytoplasm_index=float(index + index_shift))


def _planes_um(scan: ScanSettings, *, generator: np.random.Generator) -> NDArray[np.float64]:
    planes = np.arange(-scan.half_range_um, scan.half_range_um + scan.step_um / 2, scan.step_um)
    planes = planes + generator.uniform(-scan.focus_jitter_um, scan.focus_jitter_um)
    jitter = generator.normal(0, scan.stage_jitter_um, len(planes))
    return np.round(planes + np.clip(jitter, -scan.step_um / 4, scan.step_um / 4), 3)
