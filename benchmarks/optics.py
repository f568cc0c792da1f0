"""Seconds per exit field, milliseconds per plane and seconds per z-stack of the virtual microscope.

One scene of 60 cells in the preset's field of view, in each quality. The qualities take turns, so that a busy
machine slows all of them.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch

from parfocal.optics import QUALITIES, Scene, VirtualMicroscope, exit_field, preset, yeast_scene

N_CELLS = 60
PLANES_PER_STACK = 31


@dataclass(frozen=True)
class Cost:
    """Seconds that light takes through one specimen, and for each plane after that."""

    exit_field_s: float
    plane_s: float

    @property
    def stack_s(self) -> float:
        """Seconds for one z-stack."""
        return self.exit_field_s + PLANES_PER_STACK * self.plane_s


def measure(scene: Scene, settings: VirtualMicroscope, *, planes: int, device: str) -> Cost:
    start = time.perf_counter()
    field = exit_field(scene, settings, seed=0, device=device)
    field.intensity(0.0)  # on an accelerator this waits for the field
    between = time.perf_counter()
    for z_um in np.linspace(-15, 15, planes):
        field.intensity(field.focus_z_um + float(z_um))
    plane_s = (time.perf_counter() - between) / planes
    return Cost(between - start - plane_s, plane_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="yeast-40x")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--planes", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    microscopes = {quality: preset(options.preset, quality=quality) for quality in QUALITIES}
    scene = yeast_scene(microscopes["ci"], seed=0, n_cells=N_CELLS)
    costs: dict[str, list[Cost]] = {quality: [] for quality in microscopes}
    for _ in range(options.rounds):
        for quality, settings in microscopes.items():
            costs[quality].append(measure(scene, settings, planes=options.planes, device=options.device))
    print(f"{options.preset}, {options.device}, {options.threads} thread(s), median of {options.rounds}")
    print(f"{'quality':<10} {'exit field s':>12} {'plane ms':>9} {f'stack of {PLANES_PER_STACK} s':>14}")
    for quality, runs in costs.items():
        exit_s, plane_s, stack_s = (
            np.median([getattr(run, name) for run in runs]) for name in ("exit_field_s", "plane_s", "stack_s")
        )
        print(f"{quality:<10} {exit_s:12.2f} {1e3 * plane_s:9.1f} {stack_s:14.2f}")


if __name__ == "__main__":
    main()
