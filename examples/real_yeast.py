"""Real bright-field yeast, ordered by a model that saw only simulated light.

The images are pictures of five planes side by side, of budding yeast in microfluidic traps (MIT licence,
cite eLife 12:e79812). Neither their focus plane nor their z step is known, so nothing can be said of the size
of an error; but the inferred defocus must rise, or fall, from plane to plane, and in the same direction in
every stack. Run it with a model and the folder of images:

    python examples/real_yeast.py model.safetensors FOLDER --pixel-size 0.182 --only prime95b
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from parfocal.data import read_image
from parfocal.model import FocusEstimator

PLANES = 5


def inferred_defocus_um(picture: Path, estimator: FocusEstimator, *, pixel_size_um: float) -> np.ndarray:
    """Defocus of each of the planes that lie side by side in a picture, in um."""
    planes = np.split(read_image(picture).frames_zyx[0], PLANES, axis=1)
    estimates = [estimator.estimate(plane, pixel_size_um=pixel_size_um) for plane in planes]
    return np.array([estimate.defocus_um for estimate in estimates])


def main(arguments: list[str] | None = None) -> None:
    """Print the inferred defocus of every plane, and how well each stack is ordered."""
    parser = argparse.ArgumentParser(description="Order the planes of real yeast stacks.")
    parser.add_argument("model", type=Path, help="a model file")
    parser.add_argument("folder", type=Path, help="folder with the pictures")
    parser.add_argument("--pixel-size", type=float, default=0.182, help="side of a pixel, in um")
    parser.add_argument("--only", default="", help="pictures whose name begins with this")
    given = parser.parse_args(arguments)
    estimator = FocusEstimator.load(given.model, rescale=True)
    correlations = []
    for picture in sorted(given.folder.glob(f"{given.only}*.png")):
        inferred = inferred_defocus_um(picture, estimator, pixel_size_um=given.pixel_size)
        correlations.append(float(spearmanr(np.arange(PLANES), inferred).statistic))
        planes = " ".join(f"{z:+6.2f}" for z in inferred)
        print(f"{picture.stem:36} {planes}   rank correlation {correlations[-1]:+.2f}")
    same_way = max(sum(c > 0 for c in correlations), sum(c < 0 for c in correlations))
    mean = np.mean(correlations)
    print(f"mean rank correlation {mean:+.2f}; {same_way} of {len(correlations)} the same way")


if __name__ == "__main__":
    main()
