"""Specimens: cells, beads and dust, each grown from settings and a seed; several share one field."""

from parfocal.optics.specimens.adherent import AdherentSettings
from parfocal.optics.specimens.beads import BeadSettings
from parfocal.optics.specimens.debris import DebrisSettings
from parfocal.optics.specimens.euglena import EuglenaSettings
from parfocal.optics.specimens.mixture import SpecimenSettings, scene_of
from parfocal.optics.specimens.rods import BACTERIA, RodSettings
from parfocal.optics.specimens.yeast import YeastCell, YeastSettings, yeast_bodies

__all__ = [
    "BACTERIA",
    "AdherentSettings",
    "BeadSettings",
    "DebrisSettings",
    "EuglenaSettings",
    "RodSettings",
    "SpecimenSettings",
    "YeastCell",
    "YeastSettings",
    "scene_of",
    "yeast_bodies",
]
