"""What the loop itself costs: its own time for a frame, its memory over days, and frames a second end to end.

``overhead.py`` runs a `FocusLock` on devices that cost nothing, with frames of a full camera (2080 x 1552
pixels) and a record on the disk, and measures

- its own time for a frame, beside camera and estimate, at the rates at which cameras run: the record goes to
  the disk once a second, so that one in 20 frames of a camera of 20 a second pays for it;
- the memory of the process over a million frames, by a clock that does not wait;
- frames a second without a pause, with networks of fresh weights, which cost no less than trained ones.

It writes what it saw to the results and prints it; ``--table`` prints it again, ``--write`` puts it into
docs/lock-benchmark.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from holders import Spent
from idle_devices import NoiseCamera, NumberDrive, SwayingFocus, Timed
from numpy.typing import NDArray
from pages import PAGE, put_into
from provenance import provenance

from parfocal.control import (
    Camera,
    Clock,
    FocusLock,
    LimitSettings,
    LockSettings,
    RunLog,
    SimulatedClock,
    WallClock,
)
from parfocal.data.whole_file import write_whole_text
from parfocal.errors import InputError, ParfocalError
from parfocal.estimate import Estimator
from parfocal.evaluation.evaluate import json_text
from parfocal.model import FocusEstimator, use_threads
from parfocal.model.backends import InferenceSettings

sys.path.append(str(Path(__file__).parents[1]))  # where the networks of fresh weights are
from speed import NETWORKS, fresh_estimator

RESULTS = Path(__file__).parent / "results" / "overhead.json"
SHAPE_YX, PIXEL_UM, FIELD_UM = (1552, 2080), 0.06, 60.0
RATES_HZ = (20.0, 200.0)
WARM_UP = 20
SAMPLES = 20
"""Of the memory: every 50,000 of a million frames."""
SUSTAINED = ("tiny", "small net", "fresh")
LIMITS = LimitSettings(lowest_z_um=-50.0, highest_z_um=50.0, travel_um_per_h=1e9)
"""Time that does not wait would use up the travel of an hour."""


@contextmanager
def recorded_lock(
    camera: Camera, drive: NumberDrive, estimator: Estimator, *, clock: Clock
) -> Iterator[FocusLock]:
    """A lock with default settings and a record on the disk, beside this file's results."""
    settings = LockSettings(limits=LIMITS)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "run.sqlite"
        with RunLog.create(record, settings={}, model_fingerprint=estimator.fingerprint) as log:
            yield FocusLock(camera, drive, estimator, settings=settings, clock=clock, log=log)


def own_times_ms(*, rate_hz: float, frames: int) -> NDArray[np.float64]:
    """What each frame took beside camera and estimate, in ms, shape (frames, 2): by both clocks."""
    clock, drive = WallClock(), NumberDrive()
    timed = Timed(NoiseCamera(SHAPE_YX, pixel_size_um=PIXEL_UM), SwayingFocus(drive))
    own = []
    with recorded_lock(timed, drive, timed, clock=clock) as lock:
        due_s = clock.now_s()
        for _ in range(WARM_UP + frames):
            clock.wait_until(due_s)
            start, elsewhere = Spent.now(), timed.spent
            lock.step()
            own.append((Spent.now() - start) - (timed.spent - elsewhere))
            due_s = max(due_s + 1 / rate_hz, clock.now_s())
    return 1000 * np.array([(one.wall_s, one.cpu_s) for one in own[WARM_UP:]])


def loop_row(*, rate_hz: float, seconds: float) -> dict[str, float]:
    """Median and tail of the loop's own time at a rate, by the clock and of the processor."""
    wall_ms, cpu_ms = own_times_ms(rate_hz=rate_hz, frames=round(seconds * rate_hz)).T
    return {
        "rate_hz": rate_hz,
        "frames": len(wall_ms),
        "p50_ms": float(np.median(wall_ms)),
        "p99_ms": float(np.quantile(wall_ms, 0.99)),
        "largest_ms": float(wall_ms.max()),
        "p50_cpu_ms": float(np.median(cpu_ms)),
        "p99_cpu_ms": float(np.quantile(cpu_ms, 0.99)),
    }


def memory_over(frames: int) -> dict[str, list[float]]:
    """Memory of the process in MiB after so many frames, `SAMPLES` times and once at the beginning."""
    clock, drive = SimulatedClock(paced=False), NumberDrive()
    camera = NoiseCamera((256, 256), pixel_size_um=0.24)
    every = max(1, frames // SAMPLES)
    seen, used_mib = [0], [resident_mib()]
    with recorded_lock(camera, drive, SwayingFocus(drive), clock=clock) as lock:
        for k in range(1, frames + 1):
            clock.wait_until(k / 20)
            lock.step()
            if k % every == 0:
                seen.append(k)
                used_mib.append(resident_mib())
    return {"frames": seen, "resident_mib": used_mib}


def resident_mib() -> float:
    """Memory of this process that is in use, in MiB.

    Raises
    ------
    InputError
        On a system that does not tell it as Linux does.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    for line in lines:
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise InputError(f"Expected {status} to tell the memory in use, as on Linux.")


def sustained(network: str, *, seconds: float) -> dict[str, float]:
    """Frames a second through a whole lock, camera frame to record, without a pause, by one thread.

    By the clock, and for each second of the processor: what an idle machine would do.
    """
    clock, drive = WallClock(), NumberDrive()
    camera = NoiseCamera(SHAPE_YX, pixel_size_um=PIXEL_UM)
    estimator = fresh_estimator(
        NETWORKS[network],
        kind=FocusEstimator,
        camera_pixel_um=PIXEL_UM,
        field_um=FIELD_UM,
        inference=InferenceSettings(threads=1),
    )
    with recorded_lock(camera, drive, estimator, clock=clock) as lock:
        for _ in range(WARM_UP):
            lock.step()
        n, start = 0, Spent.now()
        while (spent := Spent.now() - start).wall_s < seconds:
            lock.step()
            n += 1
    return {"hz": n / spent.wall_s, "per_processor_s": n / spent.cpu_s}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All of it."""
    use_threads(1)
    return {
        **provenance(),
        "loop": [loop_row(rate_hz=rate_hz, seconds=options.seconds) for rate_hz in RATES_HZ],
        "memory": memory_over(options.frames),
        "sustained": {name: sustained(name, seconds=options.sustained) for name in SUSTAINED},
    }


def table(told: Mapping[str, Any]) -> str:
    """Three Markdown tables, and below them what made the numbers."""
    loop = [
        f"| {row['rate_hz']:g} | {row['frames']} | {row['p50_ms']:.3f} | {row['p99_ms']:.3f} "
        f"| {row['largest_ms']:.2f} | {row['p50_cpu_ms']:.3f} | {row['p99_cpu_ms']:.3f} |"
        for row in told["loop"]
    ]
    memory = told["memory"]
    seen, used_mib = np.array(memory["frames"]), np.array(memory["resident_mib"])
    late = seen >= seen[-1] / 2
    growth = float(np.polyfit(seen[late], used_mib[late], 1)[0]) * 1e6
    rates = [
        f"| {name} | {one['hz']:.0f} | {one['per_processor_s']:.0f} |"
        for name, one in told["sustained"].items()
    ]
    return "\n".join(
        [
            "| frames a second | frames | own ms, median | 99 % | largest | processor ms, median | 99 % |",
            "|---" * 7 + "|",
            *loop,
            "",
            "| frames | MiB at the first sample | most | last | growth in the second half, MiB a million |",
            "|---" * 5 + "|",
            f"| {seen[-1]} | {used_mib[1]:.1f} | {used_mib.max():.1f} | {used_mib[-1]:.1f} | {growth:+.2f} |",
            "",
            "| network, fresh weights, 60 um of a frame | frames a second | frames a processor second |",
            "|---" * 3 + "|",
            *rates,
            "",
            f"{told['processor']}; commit {told['commit']}; {told['date']}.\n",
        ]
    )


def read(path: Path) -> dict[str, Any]:
    """The results.

    Raises
    ------
    InputError
        If there are none.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file. Expected the results of overhead.py.")
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="at each rate")
    parser.add_argument("--frames", type=int, default=1_000_000, help="to watch the memory over")
    parser.add_argument("--sustained", type=float, default=10.0, help="seconds for each network")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    parser.add_argument("--write", action="store_true", help=f"only put what is there into {PAGE.name}")
    options = parser.parse_args(arguments)
    try:
        if not (options.table or options.write):
            options.results.parent.mkdir(parents=True, exist_ok=True)
            write_whole_text(options.results, json_text(measure(options)))
        text = table(read(options.results))
        if options.write:
            put_into(PAGE, "overhead", text)
        else:
            print(text)
    except ParfocalError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
