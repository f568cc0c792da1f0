"""A virtual microscope that is quick and coarse: for tests of what is done with its stacks."""

from __future__ import annotations

from parfocal.optics import VirtualMicroscope, YeastSettings

TINY = VirtualMicroscope().replace(
    name="tiny",
    camera={"height_px": 64, "width_px": 64},
    specimens=(YeastSettings(fewest_cells=2, most_cells=4),),
    chamber={"pillars": False},
    spectrum={"n_lines": 1},
    quality={"grid_um": 0.16, "slice_um": 1.0, "n_source_points": 4},
    scan={"half_range_um": 2.0},
)
