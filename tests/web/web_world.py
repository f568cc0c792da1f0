"""A lock without hardware, as its page hears of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import uvicorn

from parfocal.control import LimitSettings, LockSettings, LockSnapshot, LockStart, LockState
from parfocal.web.messages import Answer, Heard, Steps

START = LockStart(
    settings=LockSettings(limits=LimitSettings(lowest_z_um=90.0, highest_z_um=110.0), frame_rate_hz=20.0),
    rig="a microscope",
    record="night.sqlite",
    model="0123456789ab",
    pixel_size_um=0.25,
    z_range_um=(-15.0, 15.0),
    speed=1.0,
    began_s=0.0,
    hours=12.0,
)
ANSWER = Answer(np.array([0.2, 0.6, 0.2]), np.array([-1.0, 0.0, 1.0]), (0.0,))


def snapshot_at(t_s: float, **told: Any) -> LockSnapshot:
    """A frame of a lock that holds focus at 100 um, but for what is told."""
    usual = {
        "t_s": t_s,
        "wall_time_s": 1e9 + t_s,
        "z_um": 100.0,
        "defocus_um": 0.1,
        "std_um": 0.3,
        "in_distribution": 0.9,
        "accepted": True,
        "latency_ms": 2.0,
        "belief_um": 0.05,
        "belief_sd_um": 0.2,
        "state": LockState.LOCKED,
        "move_um": 0.0,
        "reason": "within the dead band",
    }
    return LockSnapshot(**{**usual, **told})


def steps_of(*snapshots: LockSnapshot, heard: tuple[tuple[float, str], ...] = ()) -> Steps:
    """A message of a lock."""
    return Steps(snapshots, tuple(Heard(t_s, 1e9 + t_s, text) for t_s, text in heard), ANSWER)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """A real server of an application in a thread of its own, by its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
