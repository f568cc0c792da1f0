"""What viewers of its page cost a focus lock: its own time and its rhythm, without and with fifty of them.

``viewers.py`` runs a `FocusLock` on devices that cost nothing, with frames of a full camera (2080 x 1552
pixels) and a record on the disk, in turns without a page, with one that nobody looks at, and with fifty
viewers (`crowd`): most read as a browser does, eight opened the page and never read again, two ask for the
history without a pause. They have a process of their own, on the same computer.

Told are the loop's own time for a frame, beside camera and answer, how far frames come off their rhythm, and
how long one more viewer waits for the state. It writes what it saw to the results and prints it; ``--table``
prints it again, ``--write`` puts it into docs/lock-page.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from crowd import HUNG, POLLING, READING
from idle_devices import NoiseCamera, NumberDrive, SwayingFocus, Timed
from numpy.typing import NDArray
from pages import put_into
from provenance import provenance

from parfocal.control import (
    FocusLock,
    LimitSettings,
    LockSettings,
    LockSnapshot,
    LockStart,
    Onlookers,
    RunLog,
    WallClock,
)
from parfocal.data.whole_file import write_whole_text
from parfocal.evaluation.evaluate import json_text
from parfocal.web.page_link import LockPage
from parfocal.web.page_settings import PageSettings

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "viewers.json"
PAGE = HERE.parents[1] / "docs" / "lock-page.md"
SHAPE_YX, PIXEL_UM = (1552, 2080), 0.06
LIMITS = LimitSettings(lowest_z_um=-50.0, highest_z_um=50.0, travel_um_per_h=1e9)
TOKEN = "token-of-the-benchmark"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SETTLE_S = 15.0
"""For the page's process to be there, and for all viewers to have it."""
ASK_EVERY_S = 0.5


class Watch:
    """Notes when each frame came, on the loop's side."""

    def __init__(self) -> None:
        self.times_s: list[float] = []

    def __call__(self, snapshot: LockSnapshot) -> None:
        """One more frame."""
        self.times_s.append(time.perf_counter())


def run(kind: str, *, rate_hz: float, seconds: float) -> dict[str, Any]:
    """One lock: without a page, with one alone, or with viewers."""
    clock, drive = WallClock(), NumberDrive()
    devices = Timed(NoiseCamera(SHAPE_YX, pixel_size_um=PIXEL_UM), SwayingFocus(drive))
    settings = LockSettings(limits=LIMITS, frame_rate_hz=rate_hz)
    page = None if kind == "no page" else LockPage(PageSettings(port=0, token=TOKEN))
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        log = RunLog.create(Path(folder) / "run.sqlite", settings={}, model_fingerprint="none")
        with log, Onlookers([page] if page else [], watch=watch) as crowd:
            lock = FocusLock(
                devices,
                drive,
                devices,
                settings=settings,
                clock=clock,
                log=log,
                on_step=crowd.see,
                on_event=crowd.hear,
            )
            start = LockStart(settings, "idle", "run.sqlite", "none", PIXEL_UM, (-15, 15), 1.0, 0.0, 1.0)
            crowd.begin(lock, start)
            asked = Asking(page, lock, kind=kind, seconds=seconds)
            asked.start()
            own_ms = stepped(lock, devices, clock, rate_hz=rate_hz, over=asked.over)
            asked.join()
    return {"kind": kind, "rate_hz": rate_hz, **told(own_ms, watch, rate_hz, asked), **asked.told()}


def stepped(
    lock: FocusLock, devices: Timed, clock: WallClock, *, rate_hz: float, over: threading.Event
) -> NDArray[np.float64]:
    """Runs the lock until it is over; own time of each frame in ms, wall and processor, shape (frames, 2)."""
    own, due_s = [], clock.now_s()
    while not over.is_set():
        clock.wait_until(due_s)
        before, wall_s, cpu_s = devices.spent, time.perf_counter(), time.thread_time()
        lock.step()
        spent = devices.spent - before
        own.append((time.perf_counter() - wall_s - spent.wall_s, time.thread_time() - cpu_s - spent.cpu_s))
        due_s = max(due_s + 1 / rate_hz, clock.now_s())
    return 1000 * np.array(own)


class Asking(threading.Thread):
    """Brings the viewers, waits, and asks for the state now and then as one more of them."""

    def __init__(self, page: LockPage | None, lock: FocusLock, *, kind: str, seconds: float) -> None:
        super().__init__(daemon=True)
        self._page, self._kind, self._seconds = page, kind, seconds
        self.over = threading.Event()
        self.from_s = self.to_s = 0.0
        self.messages_hz = 0.0
        self._waits_ms: list[float] = []
        self._viewers: subprocess.Popen[str] | None = None

    def run(self) -> None:
        """All of it, in a thread of its own."""
        try:
            if self._page is not None and self._kind != "page":
                command = [sys.executable, str(HERE / "crowd.py"), self._page.url.partition("?")[0], TOKEN]
                self._viewers = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            time.sleep(SETTLE_S)
            self.from_s = time.perf_counter()
            self._ask()
            self.to_s = time.perf_counter()
        finally:
            if self._viewers is not None:
                self._viewers.kill()
                counts = [int(line) for line in self._viewers.communicate()[0].split()]
                self.messages_hz = (counts[-1] - counts[0]) / (len(counts) - 1)
            self.over.set()

    def _ask(self) -> None:
        end_s = time.perf_counter() + self._seconds
        if self._page is None:
            time.sleep(self._seconds)
            return
        url = self._page.url.partition("?")[0]
        with httpx.Client(base_url=url, headers=BEARER, timeout=60) as client:
            while (began_s := time.perf_counter()) < end_s:
                client.get("/api/state").raise_for_status()
                self._waits_ms.append(1000 * (time.perf_counter() - began_s))
                time.sleep(ASK_EVERY_S)

    def told(self) -> dict[str, float]:
        """How long the state was waited for, in ms."""
        if not self._waits_ms:
            return {}
        return {
            "state_p50_ms": float(np.median(self._waits_ms)),
            "state_largest_ms": float(max(self._waits_ms)),
            "messages_hz": self.messages_hz,
        }


def told(own_ms: NDArray[np.float64], watch: Watch, rate_hz: float, asked: Asking) -> dict[str, float]:
    """Of the frames after everybody had come."""
    times_s = np.array(watch.times_s)
    during = (times_s >= asked.from_s) & (times_s <= asked.to_s)
    wall_ms, cpu_ms = own_ms[: len(times_s)][during].T
    late_ms = 1000 * (np.diff(times_s[during]) - 1 / rate_hz)
    return {
        "frames": int(during.sum()),
        "own_p50_ms": float(np.median(wall_ms)),
        "own_p99_ms": float(np.quantile(wall_ms, 0.99)),
        "own_cpu_p50_ms": float(np.median(cpu_ms)),
        "own_cpu_p99_ms": float(np.quantile(cpu_ms, 0.99)),
        "late_p50_ms": float(np.median(np.abs(late_ms))),
        "late_p99_ms": float(np.quantile(late_ms, 0.99)),
    }


def table(results: dict[str, Any]) -> str:
    """One row for each rate and kind: medians over the rounds, so that one busy moment does not decide."""
    names = (
        "own_p50_ms",
        "own_p99_ms",
        "own_cpu_p50_ms",
        "own_cpu_p99_ms",
        "late_p50_ms",
        "late_p99_ms",
        "state_p50_ms",
    )
    lines = [
        "| frames a second | viewers | own ms, median | 99 % | processor ms, median | 99 % "
        "| off the rhythm ms, median | 99 % | state after ms |",
        "|---" * 9 + "|",
    ]
    kinds = {(row["rate_hz"], row["kind"]): None for row in results["runs"]}
    for rate_hz, kind in kinds:
        rows = [row for row in results["runs"] if (row["rate_hz"], row["kind"]) == (rate_hz, kind)]
        values = [[row[name] for row in rows if name in row] for name in names]
        cells = [f"{float(np.median(one)):.2f}" if one else "" for one in values]
        lines.append(f"| {rate_hz:g} | {kind} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{results['processor']}; commit {results['commit']}; {results['date']}."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each lock, after all have come")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    parser.add_argument("--write", action="store_true", help=f"only put what is there into {PAGE.name}")
    options = parser.parse_args()
    if not (options.table or options.write):
        runs = [
            run(kind, rate_hz=rate_hz, seconds=options.seconds)
            for _ in range(options.rounds)
            for rate_hz in (20.0, 200.0)
            for kind in ("no page", "page", f"{READING + HUNG + POLLING} viewers")
        ]
        options.results.parent.mkdir(parents=True, exist_ok=True)
        write_whole_text(options.results, json_text({**provenance(), "runs": runs}))
    text = table(json.loads(options.results.read_text("utf-8")))
    if options.write:
        put_into(PAGE, "viewers", text)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
