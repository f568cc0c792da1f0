"""Z-stacks from the virtual microscope, each a pure function of settings and seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parfocal.optics.camera import expose
from parfocal.optics.imaging import exit_field
from parfocal.optics.instrument import VirtualMicroscope
from parfocal.optics.yeast import yeast_scene
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
    n_cells : int
        Cells and buds in the field.
    """

    stack: ZStack
    focus_z_um: float
    experiment: int
    n_cells: int


def simulate_stack(
    settings: VirtualMicroscope, *, seed: int, index: int, experiment: int = 0, n_cells: int | None = None
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

    Notes
    -----
    The planes sit at a random offset from focus, so that no network is scored on bin centres alone.
    """
    generator = np.random.default_rng([seed, index])
    today = settings_of_day(settings, seed=seed, experiment=experiment)
    scene_seed = int(generator.integers(2**31))
    fewest, most = settings.yeast.fewest_cells, settings.yeast.most_cells
    count = round(float(np.exp(generator.uniform(np.log(fewest + 1), np.log(most + 1)))) - 1)
    scene = yeast_scene(today, seed=scene_seed, n_cells=count if n_cells is None else n_cells)
    field = exit_field(scene, today, seed=scene_seed)
    defocus_um = _planes_um(settings, generator=generator)
    frames = [
        expose(field.intensity(field.focus_z_um + z), today.camera, generator=generator) for z in defocus_um
    ]
    focus_z_um = STAGE_AT_START_UM + float(generator.uniform(-20, 20))
    stack = ZStack(np.stack(frames), np.round(focus_z_um + defocus_um, 3), today.camera.pixel_size_um)
    return SimulatedStack(stack, round(focus_z_um, 3), experiment, len(scene.cells_xyh_um))


def settings_of_day(settings: VirtualMicroscope, *, seed: int, experiment: int) -> VirtualMicroscope:
    """The microscope as it is on one day: condenser, cytoplasm and light differ a little from day to day."""
    generator = np.random.default_rng([seed, 10_000, experiment])
    days = settings.days
    condenser_na = settings.condenser.numerical_aperture * (
        1 + days.condenser_na * generator.standard_normal()
    )
    index = settings.yeast.cytoplasm_index + days.cytoplasm_index * generator.standard_normal()
    light = settings.camera.background_electrons * (1 + days.light * generator.uniform(-1, 1))
    return settings.model_copy(
        update={
            "condenser": settings.condenser.replace(numerical_aperture=float(condenser_na)),
            "yeast": settings.yeast.replace(cytoplasm_index=float(index)),
            "camera": settings.camera.replace(
                background_electrons=float(light), pattern_seed=int(generator.integers(2**31))
            ),
        }
    )


def _planes_um(settings: VirtualMicroscope, *, generator: np.random.Generator) -> np.ndarray:
    scan = settings.scan
    planes = np.arange(-scan.half_range_um, scan.half_range_um + scan.step_um / 2, scan.step_um)
    planes = planes + generator.uniform(-scan.focus_jitter_um, scan.focus_jitter_um)
    jitter = np.clip(
        generator.normal(0, scan.stage_jitter_um, len(planes)), -scan.step_um / 4, scan.step_um / 4
    )
    return np.round(planes + jitter, 3)
