"""Milliseconds from a camera frame to its defocus: every back end and size of network, beside the plain path.

The frame is one of 2080 x 1552 pixels of 0.06 um; the working pixel is 0.24 um, so a field of 60 um is 1000
camera and 250 working pixels wide. The plain path is what one would write first: NumPy crop and mean, the
2018 network layer by layer. The others are `FocusEstimator.estimate` as it is called by users; weights are
fresh, which costs no less. All take turns, frame by frame, so that a busy machine slows all alike: compare
within one table, by the ratio to the plain path. The processor's time, beside the clock's, leaves out what
others took.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from parfocal.model import (
    FocusEstimator,
    ModelHeader,
    NetworkSettings,
    Recipe,
    build_network,
    count_parameters,
    load_recipe,
    use_threads,
)
from parfocal.model.backends import InferenceSettings
from parfocal.model.familiarity import Evidence, Familiarity, learn_familiarity, views_of
from parfocal.model.intervals import EVEN
from parfocal.model.networks import Network, focus_network

CAMERA_PIXEL_UM, WORKING_PIXEL_UM, FIELD_UM = 0.06, 0.24, 60.0
SUSTAINED_S = 3.0
HEIGHT_PX, WIDTH_PX, SMALL_PX = 1552, 2080, 256
PLAIN = "plain path"
NETWORKS = {
    "2018": NetworkSettings(architecture="wei2018"),
    "tiny": focus_network("tiny"),
    "default": focus_network("default").replace(cell_bins=73),
    "fresh": focus_network("default"),
    "large": focus_network("large"),
    "small net": NetworkSettings(architecture="small"),
}
ROUTES = (
    ("2018", FIELD_UM, "torch", "fp32"),
    ("2018", FIELD_UM, "openvino", "fp32"),
    ("2018", FIELD_UM, "openvino", "bf16"),
    ("tiny", FIELD_UM, "torch", "fp32"),
    ("tiny", None, "torch", "fp32"),
    ("default", FIELD_UM, "torch", "fp32"),
    ("default", FIELD_UM, "openvino", "bf16"),
    ("default", None, "torch", "fp32"),
    ("fresh", FIELD_UM, "torch", "fp32"),
    ("large", FIELD_UM, "torch", "fp32"),
    ("small net", FIELD_UM, "openvino", "fp32"),
    ("small net", FIELD_UM, "openvino", "bf16"),
)
"""Network, field in um (None: the whole frame), back end, precision.

``default`` is as trainings inherit it, with a reader of cells; ``fresh`` is without.
"""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    frame: str
    path: str
    run: Callable[[], object]


class WithoutFamiliarity(FocusEstimator):
    """Leaves out the in-distribution score, to tell what it costs."""

    def _familiar(self, *_: object) -> float:
        return 1.0


def noise(shape_yx: tuple[int, int], dtype: type[np.unsignedinteger]) -> np.ndarray:
    """A frame of noise, shape (Y, X): the time does not depend on what a frame shows."""
    full = 250 if dtype is np.uint8 else 4095
    return np.random.default_rng(0).normal(0.45 * full, 0.05 * full, shape_yx).clip(0, full).astype(dtype)


def plain_path(frame_yx: np.ndarray) -> Callable[[], float]:
    """NumPy crop and mean, then the 2018 network by PyTorch as it stands."""
    torch.manual_seed(0)
    network = build_network(NETWORKS["2018"], n_bins=41).eval()
    side, factor = round(FIELD_UM / CAMERA_PIXEL_UM), round(WORKING_PIXEL_UM / CAMERA_PIXEL_UM)
    top, left = (length // 2 - side // 2 for length in frame_yx.shape)

    def run() -> float:
        crop = frame_yx[top : top + side, left : left + side]
        image = crop.reshape(side // factor, factor, side // factor, factor).mean(axis=(1, 3))
        with torch.inference_mode():
            logits = network(torch.from_numpy(image.astype(np.float32))[None, None])
        return float(torch.softmax(logits[0], dim=0) @ torch.arange(-20.0, 21.0))

    return run


def fresh_estimator(
    network: NetworkSettings,
    *,
    kind: type[FocusEstimator],
    camera_pixel_um: float,
    field_um: float | None,
    inference: InferenceSettings,
) -> FocusEstimator:
    """A model that never learned anything: as fast as one that did."""
    torch.manual_seed(0)
    base = load_recipe("wei2018") if network.architecture == "wei2018" else Recipe()
    recipe = base.replace(network=network.model_dump(), sampling={"pixel_size_um": WORKING_PIXEL_UM})
    fresh = build_network(network, n_bins=recipe.bins.count)
    header = ModelHeader(
        recipe=recipe,
        camera_pixel_size_um=camera_pixel_um,
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
        calibrated_on="nothing",
        metrics={},
        parameters=count_parameters(fresh),
        steps=0,
        package_version="benchmark",
    )
    arrays = {f"network.{name}": value.numpy() for name, value in fresh.state_dict().items()}
    arrays |= {**EVEN.arrays(), **familiar_with_noise(fresh, recipe).arrays()}
    return kind(header, arrays, fingerprint="benchmark", field_um=field_um, inference=inference)


def familiar_with_noise(network: Network, recipe: Recipe) -> Familiarity:
    """As long to ask as one that was learned from frames."""
    side_px = recipe.network.smallest_px
    with torch.inference_mode():
        features = network.eval().outputs(torch.zeros(1, 1, side_px, side_px)).get("features")
    views = views_of(np.zeros((side_px, side_px)), None if features is None else features[0].numpy())
    random = np.random.default_rng(0)
    lowest_um, highest_um = recipe.bins.lowest_um, recipe.bins.highest_um

    def some(away: float) -> Evidence:
        numbers = tuple(random.normal(away, 1, (200, view.size)) for view in views)
        even = np.full((200, recipe.bins.count), 1 / recipe.bins.count)
        return Evidence(numbers, random.uniform(lowest_um, highest_um, 200), np.ones(200), even)

    return learn_familiarity(some(0.0), some(3.0), held_out=some(0.0), n_stacks=10)


def estimator_case(
    label: str, frame: np.ndarray, route: tuple[str, float | None, str, str], pixel_um: float, **options
) -> Case:
    name, field_um, backend, precision = route
    inference = InferenceSettings(backend=backend, precision=precision, threads=options["threads"])
    estimator = fresh_estimator(
        NETWORKS[name],
        kind=options["kind"],
        camera_pixel_um=pixel_um,
        field_um=field_um,
        inference=inference,
    )
    field = "whole" if field_um is None else f"{field_um:g} um"
    path = f"{name:<8} {field:<6} {backend:<9} {precision}"
    return Case(label, path, lambda: estimator.estimate(frame, pixel_size_um=pixel_um))


def cases(**options) -> list[Case]:
    """All rows; `options` are threads and kind."""
    rows = []
    for dtype in (np.uint8, np.uint16):
        frame = noise((HEIGHT_PX, WIDTH_PX), dtype)
        label = f"{WIDTH_PX} x {HEIGHT_PX} {np.dtype(dtype)}"
        rows.append(Case(label, PLAIN, plain_path(frame)))
        rows += [estimator_case(label, frame, route, CAMERA_PIXEL_UM, **options) for route in ROUTES]
    small = noise((SMALL_PX, SMALL_PX), np.uint16)
    for name in ("tiny", "fresh", "default", "large"):
        route = (name, None, "torch", "fp32")
        rows.append(
            estimator_case(f"{SMALL_PX} x {SMALL_PX} uint16", small, route, WORKING_PIXEL_UM, **options)
        )
    return rows


def measured_ms(rows: list[Case], *, frames: int, in_a_row: int) -> np.ndarray:
    """Times of each row, shape (rows, frames, 2), in ms: by the clock, and of the processor."""
    times = np.empty((len(rows), frames, 2))
    for row in rows:  # the first frame compiles
        row.run()
    for turn in range(0, frames, in_a_row):
        for row, row_times in zip(rows, times, strict=True):
            for k in range(turn, min(turn + in_a_row, frames)):
                start, worked = time.perf_counter(), time.process_time()
                row.run()
                row_times[k] = 1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - worked)
    return times


def print_table(rows: list[Case], times: np.ndarray) -> None:
    medians, worked = np.median(times, axis=1).T
    tails = np.quantile(times[..., 0], 0.99, axis=1)
    print(f"{'frame':<19} {'network, field, back end':<30} median    p99 frames/s ratio  cpu ms ratio")
    plain = {row.frame: k for k, row in enumerate(rows) if row.path == PLAIN}
    for k, row in enumerate(rows):
        times_as_fast = [
            f"{m[plain[row.frame]] / m[k]:5.1f}" if plain.get(row.frame) is not None else ""
            for m in (medians, worked)
        ]
        print(
            f"{row.frame:<19} {row.path:<30} {medians[k]:6.2f} {tails[k]:6.2f} {1e3 / medians[k]:8.0f} "
            f"{times_as_fast[0]:>5} {worked[k]:7.2f} {times_as_fast[1]:>5}"
        )


def sustained(case: Callable[[], Case], *, workers: int, seconds: float) -> float:
    """Frames per second when so many threads, each with an estimator of its own, ask without a pause."""
    cases = [case() for _ in range(workers)]
    for one in cases:
        one.run()

    def asked(one: Case) -> int:
        n, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            one.run()
            n += 1
        return n

    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(asked, cases)) / seconds


def print_sustained(*, workers: int, **options) -> None:
    """Frames per second of the cheapest networks, for each number of threads up to `workers`."""
    use_threads(1)
    frame = noise((HEIGHT_PX, WIDTH_PX), np.uint16)
    for name in ("tiny", "fresh", "default"):
        route = (name, FIELD_UM, "auto", "auto")
        for n in range(1, workers + 1):
            rate = sustained(
                lambda route=route: estimator_case("", frame, route, CAMERA_PIXEL_UM, threads=1, **options),
                workers=n,
                seconds=SUSTAINED_S,
            )
            print(f"{name:<8} {FIELD_UM:g} um, {n} at once: {rate:.0f} frames/s, without a pause")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--in-a-row", type=int, default=1, help="frames in each turn; more find warm caches")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--without-familiarity", action="store_true")
    given = parser.parse_args()
    kind = WithoutFamiliarity if given.without_familiarity else FocusEstimator
    for threads in given.threads:
        use_threads(threads)
        rows = cases(threads=threads, kind=kind)
        print(f"threads: {threads}; {given.frames} frames each, {given.in_a_row} in a row, {kind.__name__}")
        print_table(rows, measured_ms(rows, frames=given.frames, in_a_row=given.in_a_row))
    print_sustained(workers=max(given.threads), kind=kind)


if __name__ == "__main__":
    main()
