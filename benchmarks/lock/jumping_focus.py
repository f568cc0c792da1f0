"""JumpingFocus: a drive whose focus can jump."""

from __future__ import annotations

from parfocal.microscope import SimulatedMicroscope


class JumpingFocus:
    """A drive over a focus that can jump: its readings tell nothing of that."""

    def __init__(self, microscope: SimulatedMicroscope) -> None:
        self._microscope = microscope
        self._jumped_um = 0.0

    def position_um(self) -> float:
        """Position in um, as it reads."""
        return self._microscope.position_um() - self._jumped_um

    def move_to(self, z_um: float) -> None:
        """Go to a position in um."""
        self._microscope.move_to(z_um + self._jumped_um)

    def stop(self) -> None:
        """End any motion."""
        self._microscope.stop()

    def jump(self, um: float) -> None:
        """Change the defocus by so many um."""
        before_um = self._microscope.position_um()
        self._microscope.move_to(before_um + um)
        self._jumped_um += self._microscope.position_um() - before_um
