"""The page lives in a process of its own: whatever becomes of it, the lock goes on."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from lock_fakes import TinyMicroscope, TruthfulEstimator
from web_world import START

from parfocal.control import FocusLock, LimitSettings, LockSettings, Onlookers, WallClock
from parfocal.errors import InputError
from parfocal.web.page_link import LockPage
from parfocal.web.page_settings import PageSettings

TOKEN = "a-token-of-this-run"
SETTINGS = LockSettings(limits=LimitSettings(lowest_z_um=-30.0, highest_z_um=30.0), frame_rate_hz=50.0)
PATIENCE_S = 60.0


class Held:
    """A lock on a light-weight microscope, by a real clock, with its page; runs in a thread."""

    def __init__(self, *, duration_s: float = 120.0) -> None:
        clock = WallClock()
        self.microscope = TinyMicroscope(clock, z_um=3.0)
        self.page = LockPage(PageSettings(port=0, token=TOKEN))
        self.times_s: list[float] = []
        self.heard: list[str] = []
        self.ended_after_s = 0.0
        self._thread = threading.Thread(target=self._run, args=(clock, duration_s))
        self._thread.start()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        address = self.page.url.partition("?")[0]
        self.client = httpx.Client(base_url=address, headers=headers, timeout=PATIENCE_S)

    def _run(self, clock: WallClock, duration_s: float) -> None:
        estimator = TruthfulEstimator(self.microscope)
        with Onlookers([self.page], watch=lambda _: self.times_s.append(time.monotonic())) as crowd:
            lock = self.lock = FocusLock(
                self.microscope,
                self.microscope,
                estimator,
                settings=SETTINGS,
                clock=clock,
                on_step=crowd.see,
                on_event=lambda t_s, text: (self.heard.append(text), crowd.hear(t_s, text)),
            )
            crowd.begin(lock, START)
            self.summary = lock.run(duration_s)
            crowd.end_with(self.summary)
            over_s = time.monotonic()
        self.ended_after_s = time.monotonic() - over_s

    def state(self) -> dict:
        return self.client.get("/api/state").json()

    def stop(self) -> None:
        self.lock.request_stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self.client.close()

    def joined(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self.client.close()


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_viewers_see_command_and_end_a_lock():
    held = Held()
    until(lambda: held.state()["state"] == "locked")
    assert held.client.post("/api/pause").status_code == 202
    until(lambda: held.state()["state"] == "paused")
    n_moves = len(held.microscope.commands)
    assert held.client.post("/api/target", json={"target_um": 4.0}).status_code == 202
    until(lambda: held.state()["target_um"] == 4.0)
    assert len(held.microscope.commands) == n_moves
    held.client.post("/api/lock")
    until(lambda: held.state()["state"] == "locked")
    assert held.microscope.true_defocus_um() == pytest.approx(4.0, abs=1.5)
    until(lambda: held.client.get("/api/image").status_code == 200)
    assert held.client.get("/").status_code == 200
    assert held.client.post("/api/stop").json() == {"asked": "stop"}
    held.joined()
    assert held.microscope.calls[-1] == "stop"
    assert held.heard[-2:] == ["stop: asked for on the page", "stopped"]
    assert held.heard.index("pause: asked for on the page") == held.heard.index("paused") - 1
    assert held.page.process_id is None
    with pytest.raises(httpx.ConnectError):
        httpx.get(held.page.url)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_page_that_hangs_or_dies_is_nothing_to_the_lock():
    held = Held()
    until(lambda: held.state()["state"] == "locked")
    first = held.page.process_id
    os.kill(first, signal.SIGSTOP)
    n_before = len(held.times_s)
    time.sleep(3.0)
    assert len(held.times_s) > n_before + 50
    os.kill(first, signal.SIGKILL)
    until(lambda: held.page.process_id not in (first, None))
    until(lambda: held.state()["n_frames"] > 10)
    assert "the page ended by itself: begun anew" in held.heard
    os.kill(held.page.process_id, signal.SIGSTOP)
    held.stop()
    assert held.page.process_id is None
    assert held.ended_after_s < 20
    assert held.summary.held


def test_a_stop_ends_the_motion_even_where_the_camera_hangs():
    held = Held()
    until(lambda: held.state()["state"] == "locked")
    goes_on = threading.Event()
    snap = held.microscope.snap

    def hung() -> np.ndarray:
        goes_on.wait(PATIENCE_S)
        return snap()

    held.microscope.snap = hung
    until(lambda: held.state()["is_late"])
    assert "stop" not in held.microscope.calls
    held.client.post("/api/stop")
    until(lambda: "stop" in held.microscope.calls)
    assert held.state()["is_stopping"]
    goes_on.set()
    held.joined()


def test_a_port_in_use_is_passed_over_and_an_address_elsewhere_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        page = LockPage(PageSettings(port=port, token=TOKEN))
        assert page.port != port
        assert page.url == f"http://127.0.0.1:{page.port}/?token={TOKEN}"
        page.end(None)
    with pytest.raises(InputError, match="--page-host, or --no-page"):
        LockPage(PageSettings(host="192.0.2.1"))


def test_an_onlooker_that_fails_is_asked_no_more_and_the_lock_goes_on():
    class Broken:
        calls = 0

        def begin(self, lock, start):
            pass

        def see(self, snapshot):
            self.calls += 1
            raise ZeroDivisionError("broken")

        def hear(self, t_s, text):
            heard.append(text)

        def end(self, summary):
            raise AssertionError("is asked no more")

    heard: list[str] = []
    kept: list[str] = []
    clock = WallClock()
    microscope = TinyMicroscope(clock)
    broken = Broken()
    with Onlookers([broken]) as crowd:
        lock = FocusLock(
            microscope,
            microscope,
            TruthfulEstimator(microscope),
            settings=SETTINGS,
            clock=clock,
            on_step=crowd.see,
            on_event=lambda t_s, text: (kept.append(text), crowd.hear(t_s, text)),
        )
        crowd.begin(lock, START)
        summary = lock.run(0.2)
    assert (summary.held, broken.calls) == (True, 1)
    assert "Broken failed and watches no more: broken" in kept
