"""One case of every kind of specimen, and the bodies of their cells, for checks that hold for all."""

from dataclasses import dataclass

import numpy as np

from parfocal.optics.bodies import Body, Cylinder
from parfocal.optics.chamber import ChamberSettings
from parfocal.optics.scene import Scene
from parfocal.optics.specimens import (
    BACTERIA,
    AdherentSettings,
    BeadSettings,
    DebrisSettings,
    EuglenaSettings,
    RodSettings,
    SpecimenSettings,
    YeastSettings,
    scene_of,
)

LOW_CHAMBER = ChamberSettings()


@dataclass(frozen=True)
class Case:
    settings: SpecimenSettings
    outer_index: float | None
    """Real index of the body around each cell."""
    chamber: ChamberSettings = LOW_CHAMBER
    field_yx_um: tuple[float, float] = (61.0, 75.0)
    n: int = 40

    def scene(self, *, seed: int, n: int | None = None) -> Scene:
        n = self.n if n is None else n
        return scene_of((self.settings,), self.chamber, self.field_yx_um, seed=seed, n_cells=n)


def chamber_of(height_um: float) -> ChamberSettings:
    return ChamberSettings(height_um=height_um, pillars=False)


CASES = {
    "yeast": Case(YeastSettings(), outer_index=1.42, n=60),
    "rods": Case(RodSettings(), outer_index=1.42),
    "bacteria": Case(BACTERIA, outer_index=1.40, n=150),
    "adherent": Case(AdherentSettings(mitotic=0.2), 1.370, chamber_of(20.0), (140.0, 170.0), n=8),
    "euglena": Case(EuglenaSettings(on_floor=0.6), 1.365, chamber_of(40.0), (200.0, 250.0), n=25),
    "beads": Case(BeadSettings(), outer_index=1.59),
    "debris": Case(DebrisSettings(fewest_scratches=2), outer_index=None, n=8),
}


def cells_and_parts(scene: Scene, outer_index: float) -> list[tuple[Body, list[Body]]]:
    """The outer body of each cell with the parts that follow it."""
    families: list[tuple[Body, list[Body]]] = []
    for body in scene.bodies:
        if isinstance(body, Cylinder):
            continue
        if np.isclose(complex(body.delta_index).real, outer_index - scene.medium_index):
            families.append((body, []))
        else:
            families[-1][1].append(body)
    return families
