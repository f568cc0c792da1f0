"""AlarmHook: posts JSON to a web address when the focus is lost, found again, or the lock fails."""

from __future__ import annotations

import json
import logging
import queue
import socket
import threading
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from parfocal.control import FocusLock, LockSnapshot, LockStart, LockState, LockSummary
from parfocal.errors import InputError

TIMEOUT_S = 5.0
WAITS_S = (1.0, 5.0, 30.0)
"""Before each further attempt."""
MOST_WAITING = 32
AT_THE_END_S = 10.0

log = logging.getLogger(__name__)


class AlarmHook:
    """Posts JSON to a web address when the lock is lost, has focus again, or fails; an `Onlooker`.

    Parameters
    ----------
    url : str
        http or https.
    timeout_s : float
        For one attempt.
    waits_s : tuple of float
        Seconds before each further attempt.

    Raises
    ------
    InputError
        If the address is none.

    Notes
    -----
    A thread of its own posts, and the loop waits for nothing. An alarm that cannot be delivered is an event
    of the record, or a line of the log where the record is closed already.
    """

    def __init__(
        self, url: str, *, timeout_s: float = TIMEOUT_S, waits_s: tuple[float, ...] = WAITS_S
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"Expected a webhook such as https://host/path, got '{url}'.")
        self._url = url
        self._where = parts.hostname  # an address may hold a secret, and a log is read by many
        self._timeout_s, self._waits_s = timeout_s, waits_s
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST_WAITING)
        self._over = threading.Event()
        self._state: LockState | None = None
        self._lock: FocusLock | None = None
        self._start: LockStart | None = None
        self._last: LockSnapshot | None = None
        self._thread = threading.Thread(target=self._post_all, daemon=True, name="alarms")

    def begin(self, lock: FocusLock, start: LockStart) -> None:
        """Starts the thread that posts."""
        self._lock, self._start = lock, start
        self._thread.start()

    def see(self, snapshot: LockSnapshot) -> None:
        """One more frame."""
        before, self._state, self._last = self._state, snapshot.state, snapshot
        if snapshot.state is LockState.LOST and before is not LockState.LOST:
            self._alarm(snapshot.state, snapshot.reason)
        elif snapshot.state is LockState.LOCKED and before is LockState.LOST:
            self._alarm(snapshot.state, "the focus was found again")

    def hear(self, t_s: float, text: str) -> None:
        """Nothing: an alarm is a matter of the state."""

    def end(self, summary: LockSummary | None) -> None:
        """Alarm if a failure ended the lock; waits some seconds for what is to be posted yet."""
        if summary is None or summary.fault:
            self._alarm(LockState.FAULT, summary.fault if summary else "ended by an error")
        self._over.set()
        if self._thread.is_alive():
            self._put(None)
            self._thread.join(AT_THE_END_S)

    def _alarm(self, state: LockState, reason: str) -> None:
        last, start = self._last, self._start
        self._put(
            {
                "source": "parfocal lock",
                "host": socket.gethostname(),
                "record": start.record if start else "",
                "rig": start.rig if start else "",
                "state": str(state),
                "reason": reason,
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "hours": (last.t_s - start.began_s) / 3600 if last and start else 0.0,
                "z_um": last.z_um if last else None,
                "belief_um": last.belief_um if last else None,
            }
        )

    def _put(self, alarm: dict[str, Any] | None) -> None:
        try:
            self._waiting.put_nowait(alarm)
        except queue.Full:
            self._tell("too many alarms wait to be posted")

    def _post_all(self) -> None:
        while (alarm := self._waiting.get()) is not None:
            failure = self._post(alarm)
            if failure:
                self._tell(f"the alarm '{alarm['state']}' could not be posted to {self._where}: {failure}")

    def _post(self, alarm: dict[str, Any]) -> str:
        """Why it could not be posted, after all attempts; empty if it was."""
        request = urllib.request.Request(
            self._url,
            data=json.dumps(alarm).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "parfocal"},
        )
        failure = ""
        for wait_s in (0.0, *self._waits_s):
            self._over.wait(wait_s)  # at the end there is no time to wait
            try:
                with urllib.request.urlopen(request, timeout=self._timeout_s):
                    return ""
            except (OSError, ValueError) as error:  # no network, no answer, or a refusal
                failure = str(error)
        return failure

    def _tell(self, text: str) -> None:
        log.warning(text)
        if self._lock is not None:
            self._lock.request_note(text)
