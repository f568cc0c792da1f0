"""Milliseconds from a camera frame to its defocus, for both networks, with fresh random weights.

What is timed is all of ``FocusEstimator.estimate``: averaging to the working pixel, network, uncertainty and
familiarity. The networks take turns, frame by frame, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch

from parfocal.model import FocusEstimator, ModelHeader, Recipe, build_network, count_parameters, load_recipe
from parfocal.model.familiarity import describe

WORKING_PIXEL_UM = 0.24


@dataclass(frozen=True)
class Case:
    """Frames of one camera."""

    height_px: int
    width_px: int
    pixel_size_um: float

    def frame(self) -> np.ndarray:
        """A 12-bit frame of noise, shape (Y, X): the time does not depend on what a frame shows."""
        grey = np.random.default_rng(0).normal(1800, 200, (self.height_px, self.width_px))
        return np.clip(grey, 0, 4095).astype(np.uint16)


CASES = (Case(256, 256, 0.24), Case(776, 1040, 0.12))


def fresh_estimator(recipe: Recipe, case: Case) -> FocusEstimator:
    """A model that never learned anything: as fast as one that did."""
    torch.manual_seed(0)
    network = build_network(recipe.network, n_bins=recipe.bins.count)
    n_features = describe(torch.zeros(64, 64)).size
    header = ModelHeader(
        recipe=recipe,
        camera_pixel_size_um=case.pixel_size_um,
        z_range_um=(recipe.bins.lowest_um, recipe.bins.highest_um),
        modality="bright-field",
        objective=None,
        wavelength_um=None,
        dof_um=None,
        dataset="none",
        data_fingerprint="none",
        n_stacks=0,
        spread_scale=1.0,
        interval90_scale=1.645,
        usual_distance=1.0,
        calibrated_on="nothing",
        metrics={},
        parameters=count_parameters(network),
        steps=0,
        package_version="benchmark",
    )
    arrays = {f"network.{name}": value.numpy() for name, value in network.state_dict().items()}
    arrays["familiarity.means"] = np.zeros((1, n_features), np.float32)
    arrays["familiarity.whitening"] = np.eye(n_features, dtype=np.float32)
    return FocusEstimator(header, arrays, fingerprint="benchmark")


def measure(case: Case, recipes: dict[str, Recipe], *, frames: int) -> dict[str, float]:
    """Median milliseconds per frame of each recipe's network."""
    estimators = {name: fresh_estimator(recipe, case) for name, recipe in recipes.items()}
    frame, times = case.frame(), {name: [] for name in recipes}
    for _ in range(frames + 3):
        for name, estimator in estimators.items():
            start = time.perf_counter()
            estimator.estimate(frame, pixel_size_um=case.pixel_size_um)
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * float(np.median(values[3:])) for name, values in times.items()}  # 3 warm up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    focus = Recipe()
    recipes = {
        "FocusNetwork": focus.replace(sampling={"pixel_size_um": WORKING_PIXEL_UM}),
        "Wei2018Network": load_recipe("wei2018"),
    }
    print(f"milliseconds per frame, working pixel {WORKING_PIXEL_UM} um, median of {options.frames}")
    print(f"{'frame':<26} {'threads':>7}" + "".join(f" {name:>15}" for name in recipes))
    for case in CASES:
        for threads in options.threads:
            torch.set_num_threads(threads)
            medians = measure(case, recipes, frames=options.frames)
            frame = f"{case.width_px} x {case.height_px} of {case.pixel_size_um} um"
            print(f"{frame:<26} {threads:>7}" + "".join(f" {ms:15.1f}" for ms in medians.values()))


if __name__ == "__main__":
    main()
