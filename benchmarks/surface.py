"""Error of the focus that is predicted for each next position, before its image: four ways, and their time.

Plates and devices are drawn by seeds: tilt and waves of the virtual microscope's own surface, a bow over the
whole, own heights, thermal drift over a day, a tenth of the wells empty and 3 % with wrong answers. Everybody
gets the same measurements, beginning with three corners. Wells with wrong answers are not counted.

`surface_batch.py` puts the filter beside scikit-learn's Gaussian process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from parfocal.control import (
    FocusMeasurement,
    LearnedSurface,
    SurfacePrior,
    fit_prior,
    serpentine,
    well_positions_um,
)
from parfocal.microscope.drift import thermal_drift
from parfocal.microscope.focus_surface import SurfaceSettings, focus_surface

Array = NDArray[np.float64]
NOISE_UM = 0.2


@dataclass(frozen=True)
class Sample:
    """A plate or device: where its focus is, and which positions are empty or answered wrongly."""

    xy_um: Array
    heights_um: Array
    drift_um: Callable[[float], float]
    empty: frozenset[int]
    wrong_um: dict[int, float]

    def focus_um(self, position: int, t_s: float) -> float:
        """Where the focus truly is."""
        return float(self.heights_um[position]) + self.drift_um(t_s)


def drawn_sample(seed: int, xy_um: Array, *, waves_mm: float, bow_um: float, wells: bool) -> Sample:
    """Tilt 0 to 3 um/mm on a plate, and more where the sample is smaller; drift 10 to 40 um a day."""
    random = np.random.default_rng([seed, 11])
    n, width_mm = len(xy_um), 1e-3 * float(np.ptp(xy_um[:, 0]))
    tilt = float(random.uniform(0, 3.0)) * (1 if wells else 100 / width_mm / 5)
    settings = SurfaceSettings(
        tilt_um_per_mm=tilt, profile_um=float(random.uniform(0.3, 1.5)), profile_mm=waves_mm
    )
    higher_um = focus_surface(settings, seed=seed)
    x, y = ((xy_um - xy_um.mean(axis=0)) / (500 * width_mm)).T
    way = random.normal(0, 1, 3) * bow_um / 2
    heights_um = 120.0 + way[0] * x**2 + way[1] * y**2 + way[2] * x * y
    heights_um += np.array([higher_um(*place) for place in xy_um.tolist()])
    heights_um += random.normal(0, random.uniform(0.3, 1.5) if wells else 0.1, n)
    positions = random.permutation(n)
    n_empty, n_wrong = (n // 10, round(0.03 * n)) if wells else (0, round(0.01 * n))
    wrong = positions[n_empty : n_empty + n_wrong].tolist()
    return Sample(
        xy_um=xy_um,
        heights_um=heights_um,
        drift_um=thermal_drift(range_um=float(random.uniform(10, 40)), hours=24.0, seed=seed),
        empty=frozenset(positions[:n_empty].tolist()),
        wrong_um={k: float(random.choice([-1, 1]) * random.uniform(8, 40)) for k in wrong},
    )


class Contender(Protocol):
    """Who predicts the focus of the next position and learns from its image."""

    def predict(self, position: int, t_s: float) -> float:
        """Where the focus of a position will be, in um."""
        ...

    def learn(self, position: int, measurement: FocusMeasurement) -> None:
        """What its image said."""
        ...


@dataclass
class ThreePointPlane:
    """The plane through the first three positions, as most programs have it."""

    xy_um: Array
    seen: list[tuple[float, float, float]] = field(default_factory=list)

    def predict(self, position: int, t_s: float) -> float:
        """See `Contender`."""
        points = np.array(self.seen[:3])
        a, b, c = np.linalg.lstsq(np.column_stack([points[:, :2], np.ones(len(points))]), points[:, 2])[0]
        return float(a * self.xy_um[position, 0] + b * self.xy_um[position, 1] + c)

    def learn(self, position: int, measurement: FocusMeasurement) -> None:
        """See `Contender`."""
        self.seen.append((measurement.x_um, measurement.y_um, measurement.focus_z_um))


@dataclass
class LastKnown:
    """The z at which this position was last in focus; before that, where the stage stands."""

    seen_um: dict[int, float] = field(default_factory=dict)
    last_um: float = 0.0

    def predict(self, position: int, t_s: float) -> float:
        """See `Contender`."""
        return self.seen_um.get(position, self.last_um)

    def learn(self, position: int, measurement: FocusMeasurement) -> None:
        """See `Contender`."""
        self.seen_um[position] = self.last_um = measurement.focus_z_um


@dataclass
class LastKnownShifted(LastKnown):
    """The same, moved by the median of what the five positions before had to be moved by."""

    moves_um: list[float] = field(default_factory=list)

    def predict(self, position: int, t_s: float) -> float:
        """See `Contender`."""
        if position not in self.seen_um:
            return self.last_um
        return self.seen_um[position] + float(np.median(self.moves_um[-5:] or [0.0]))

    def learn(self, position: int, measurement: FocusMeasurement) -> None:
        """See `Contender`."""
        if position in self.seen_um:
            self.moves_um.append(measurement.focus_z_um - self.seen_um[position])
        super().learn(position, measurement)


@dataclass
class Surface:
    """The learned surface; its prior may be fitted to the first pass."""

    xy_um: Array
    surface: LearnedSurface
    fits_after: int = 0
    seen: list[FocusMeasurement] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    """Of each frame: to predict, and to learn from it."""

    def predict(self, position: int, t_s: float) -> float:
        """See `Contender`."""
        start = time.perf_counter()
        expected = self.surface.at(*self.xy_um[position].tolist(), t_s=t_s)
        self.took_s.append(time.perf_counter() - start)
        return expected.focus_z_um

    def learn(self, position: int, measurement: FocusMeasurement) -> None:
        """Learn, and with the first whole pass fit the prior."""
        start = time.perf_counter()
        self.surface = self.surface.learn(measurement)
        spent_s = time.perf_counter() - start
        if self.took_s:
            self.took_s[-1] += spent_s  # of the frame that was predicted
        else:
            self.took_s.append(spent_s)
        self.seen.append(measurement)
        if len(self.seen) == self.fits_after:
            self.surface = LearnedSurface(prior=fit_prior(self.seen, self.surface.prior))
            for one in self.seen:
                self.surface = self.surface.learn(one)


def corners_of(sample: Sample, right: Sequence[int]) -> list[int]:
    """Three positions far apart, none empty."""
    xy_um = sample.xy_um[list(right)]
    ways = np.array([[-1, -1], [1, -1], [-1, 1]])
    return [right[int(np.argmax(xy_um @ way))] for way in ways]


def run(
    contender: Contender, sample: Sample, *, order: Sequence[int], starts_s: Sequence[float], every_s: float
) -> list[Array]:
    """What each prediction of a right position was off by, in um: one array for each pass."""
    random = np.random.default_rng(7)
    full = [k for k in order if k not in sample.empty]

    def measure(position: int, t_s: float) -> FocusMeasurement:
        wrong_um = sample.wrong_um.get(position, 0.0)
        told_um = sample.focus_um(position, t_s) + float(random.normal(0, NOISE_UM)) + wrong_um
        return FocusMeasurement(t_s, *sample.xy_um[position].tolist(), told_um, NOISE_UM)

    for k, position in enumerate(corners_of(sample, [k for k in full if k not in sample.wrong_um])):
        contender.learn(position, measure(position, starts_s[0] + every_s * k))
    passes = []
    for start_s in starts_s:
        off_um = []
        for k, position in enumerate(full, start=4):
            t_s = start_s + every_s * k
            predicted_um = contender.predict(position, t_s)
            if position not in sample.wrong_um:
                off_um.append(predicted_um - sample.focus_um(position, t_s))
            contender.learn(position, measure(position, t_s))
        passes.append(np.array(off_um))
    return passes


@dataclass(frozen=True)
class Case:
    """One kind of sample, and how it is visited."""

    title: str
    xy_um: Array
    prior: SurfacePrior
    waves_mm: float
    bow_um: float
    every_s: float
    hours: tuple[float, ...]
    wells: bool = True
    is_fitted: bool = True

    def contenders(self) -> dict[str, Contender]:
        """Everybody, new."""
        xy_um = self.xy_um
        made: dict[str, Contender] = {
            "three-point plane": ThreePointPlane(xy_um),
            "last known z": LastKnown(),
            "last known z, shifted": LastKnownShifted(),
            "learned surface": Surface(xy_um, LearnedSurface(prior=self.prior)),
        }
        if self.is_fitted:
            n = round(0.9 * len(xy_um))
            made["learned surface, fitted"] = Surface(xy_um, LearnedSurface(prior=self.prior), fits_after=n)
        return made


def device_positions_um(n: int, *, pitch_um: float) -> Array:
    y, x = np.mgrid[:n, :n]
    return pitch_um * np.stack([x, y], axis=-1).reshape(-1, 2)


CASES = {
    "96": Case(
        title="96 wells, 5 s each, every hour for 12 h",
        xy_um=well_positions_um(96),
        prior=SurfacePrior(),
        waves_mm=60.0,
        bow_um=30.0,
        every_s=5.0,
        hours=tuple(range(12)),
    ),
    "384": Case(
        title="384 wells, 2 s each, every two hours for 8 h",
        xy_um=well_positions_um(384),
        prior=SurfacePrior(),
        waves_mm=60.0,
        bow_um=30.0,
        every_s=2.0,
        hours=(0, 2, 4, 6),
        is_fitted=False,
    ),
    "device": Case(
        title="a device of 20 mm, 40 x 40 fields, 20 a second, every hour for 3 h",
        xy_um=device_positions_um(40, pitch_um=500.0),
        prior=SurfacePrior.for_device(20.0),
        waves_mm=6.0,
        bow_um=30.0,
        every_s=0.05,
        hours=(0, 1, 2),
        wells=False,
        is_fitted=False,
    ),
}


def measure_case(case: Case, *, seeds: int) -> dict[str, dict[str, list[float]]]:
    """For each contender the errors of the first pass and of those after it, of all seeds together."""
    results: dict[str, dict[str, list[float]]] = {}
    order = serpentine(case.xy_um)
    starts_s = [3600.0 * hour for hour in case.hours]
    for seed in range(seeds):
        sample = drawn_sample(seed, case.xy_um, waves_mm=case.waves_mm, bow_um=case.bow_um, wells=case.wells)
        for name, contender in case.contenders().items():
            first, *later = run(contender, sample, order=order, starts_s=starts_s, every_s=case.every_s)
            result = results.setdefault(name, {"first": [], "later": [], "took_s": []})
            result["took_s"] += getattr(contender, "took_s", [])
            result["first"] += first.tolist()
            result["later"] += np.concatenate(later).tolist()
    return results


def table(results: dict[str, dict[str, list[float]]]) -> str:
    lines = [f"{'':26}{'first pass':^24}{'later passes':^24}"]
    lines += [f"{'um':26}" + 2 * f"{'mean':>8}{'95 %':>8}{'most':>8}"]
    for name, passes in results.items():
        cells = ""
        for off_um in (np.abs(passes["first"]), np.abs(passes["later"])):
            cells += f"{off_um.mean():8.2f}{np.quantile(off_um, 0.95):8.2f}{off_um.max():8.1f}"
        took_s = np.array(passes["took_s"])
        a_frame = f"   {1e3 * np.median(took_s):.1f} ms a frame" if len(took_s) else ""
        lines.append(f"{name:26}{cells}{a_frame}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=CASES)
    options = parser.parse_args()
    for name in [options.only] if options.only else CASES:
        case = CASES[name]
        print(f"{case.title}; {options.seeds} samples")
        print(table(measure_case(case, seeds=options.seeds)), flush=True)


if __name__ == "__main__":
    main()
