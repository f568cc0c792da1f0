"""Live microscopes by their options: a Micro-Manager configuration, a virtual one, or a recorded stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parfocal.cli.options import Quality
from parfocal.errors import InputError

LARGEST_STEP_UM = 5.0

if TYPE_CHECKING:
    from parfocal.control import RunSoFar
    from parfocal.optics import VirtualMicroscope
    from parfocal.rigs import Rig


@dataclass(frozen=True)
class Source:
    """The microscope that live images come from, as the options have it."""

    config: Path | None
    simulate: str | None
    replay: Path | None = None
    pixel_size: float | None = None
    speed: float | None = None
    quality: Quality | None = None
    seed: int | None = None

    def facts(self) -> dict[str, Any]:
        """What was said of it, for a record, as plain values."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: str(v.absolute()) if isinstance(v, Path) else v for name, v in said.items()}

    def or_as(self, facts: Mapping[str, Any]) -> Source:
        """The same where it is said, and as a record has it where not: of the same kind of microscope."""
        kinds = ("config", "simulate", "replay")
        if any(getattr(self, kind) is not None and kind not in facts for kind in kinds):
            return self
        makes = {"config": Path, "replay": Path, "quality": Quality}
        known = {name: makes.get(name, lambda same: same)(value) for name, value in facts.items()}
        return replace(self, **{name: v for name, v in known.items() if getattr(self, name) is None})

    def check(self) -> None:
        """Refuse options that do not go together, before anything is loaded."""
        given = sum(choice is not None for choice in (self.config, self.simulate, self.replay))
        if given != 1:
            raise InputError(f"Expected exactly one of --config, --simulate and --replay, got {given}.")
        if self.speed is not None and self.simulate is None:
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

    def open(self, *, after: RunSoFar | None = None) -> Rig:
        """The microscope, at the start of a run or after a part of one; nothing moves."""
        from parfocal.optics import preset
        from parfocal.rigs import micromanager_rig, replay_rig, simulated_rig

        if self.config is not None:
            return micromanager_rig(self.config, pixel_size_um=self.pixel_size, after=after)
        if self.replay is not None:
            return replay_rig(self.replay, after=after)
        settings = preset(self.simulate or "", quality=(self.quality or Quality.ci).value)
        return simulated_rig(settings, seed=self.seed or 0, speed=self.speed or 1.0, after=after)


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
