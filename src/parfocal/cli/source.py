"""Live microscopes by their options: a Micro-Manager configuration, a virtual one, or a recorded stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from parfocal.cli.options import Quality
from parfocal.errors import InputError

LARGEST_STEP_UM = 5.0

if TYPE_CHECKING:
    from parfocal.hold import Rig
    from parfocal.optics import VirtualMicroscope


@dataclass(frozen=True)
class Source:
    """The microscope that live images come from, as the options have it."""

    config: Path | None
    simulate: str | None
    replay: Path | None = None
    pixel_size: float | None = None
    speed: float = 1.0
    quality: Quality = Quality.ci
    seed: int = 0

    def check(self) -> None:
        """Refuse options that do not go together, before anything is loaded."""
        given = sum(choice is not None for choice in (self.config, self.simulate, self.replay))
        if given != 1:
            raise InputError(f"Expected exactly one of --config, --simulate and --replay, got {given}.")
        if self.speed != 1 and self.simulate is None:
            raise InputError("Expected --speed with --simulate only: real time cannot be hurried.")
        if self.pixel_size is not None and self.config is None:
            raise InputError("Expected --pixel-size with --config only: the other images tell their own.")

    @property
    def numerical_aperture(self) -> float | None:
        """Of a virtual microscope; only the user knows that of any other."""
        return self._virtual.objective.numerical_aperture if self._virtual else None

    @property
    def immersion_index(self) -> float | None:
        """Of a virtual microscope."""
        return self._virtual.objective.immersion_index if self._virtual else None

    @property
    def wavelength_um(self) -> float | None:
        """In the middle of the spectrum of a virtual microscope."""
        return self._virtual.spectrum.centre_um if self._virtual else None

    @property
    def _virtual(self) -> VirtualMicroscope | None:
        from parfocal.optics import preset

        return None if self.simulate is None else preset(self.simulate)

    def open(self) -> Rig:
        """The microscope; nothing moves."""
        from parfocal.hold import micromanager_rig, replay_rig, simulated_rig
        from parfocal.optics import preset

        if self.config is not None:
            return micromanager_rig(self.config, pixel_size_um=self.pixel_size)
        if self.replay is not None:
            return replay_rig(self.replay)
        settings = preset(self.simulate or "", quality=self.quality.value)
        return simulated_rig(settings, seed=self.seed, speed=self.speed)


def limits_of(
    rig: Rig, lowest_z: float | None, highest_z: float | None, largest_step: float = LARGEST_STEP_UM
) -> dict[str, float]:
    """Where the drive may go, as the options have it or the microscope itself.

    Raises
    ------
    InputError
        If only the user knows, and does not say.
    """
    if rig.travel_um is None and (lowest_z is None or highest_z is None):
        raise InputError(
            "Expected --lowest-z and --highest-z, where the drive may go: only you know where the slide is. "
            f"The drive stands at {rig.drive.position_um():.2f} um now. Nothing was moved."
        )
    lowest_um, highest_um = rig.travel_um or (0.0, 0.0)
    return {
        "lowest_z_um": lowest_um if lowest_z is None else lowest_z,
        "highest_z_um": highest_um if highest_z is None else highest_z,
        "largest_step_um": largest_step,
    }
