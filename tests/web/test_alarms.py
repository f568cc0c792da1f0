"""An alarm is posted by a thread of its own, and what goes wrong with it never hurts the lock."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from web_world import START, snapshot_at

from parfocal.control import LockState, LockSummary
from parfocal.errors import InputError
from parfocal.web.alarms import AlarmHook

HELD = LockSummary(1.0, 72_000, 72_000, 20, 0.1, 0.4, 1.0, 0, True, 3.0)


class Notebook:
    """Stands for a lock that takes notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def request_note(self, text: str) -> None:
        self.notes.append(text)


@contextmanager
def listener(*codes: int) -> Iterator[tuple[str, list[dict]]]:
    """A real server that answers with the codes in turn, and what it was sent."""
    got, answers = [], list(codes)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?key=secret", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(hook: AlarmHook, *states: LockState, summary: LockSummary | None = HELD) -> list[str]:
    lock = Notebook()
    hook.begin(lock, START)
    for k, state in enumerate(states):
        hook.see(snapshot_at(float(k), state=state, reason=f"because of {k}"))
    hook.end(summary)
    return lock.notes


LOCKED, LOST = LockState.LOCKED, LockState.LOST


def test_a_loss_and_the_find_are_posted_once_each():
    with listener() as (url, got):
        notes = run(AlarmHook(url), LOCKED, LOST, LOST, LOST, LOCKED, LOCKED)
    assert [(alarm["state"], alarm["reason"]) for alarm in got] == [
        ("lost", "because of 1"),
        ("locked", "the focus was found again"),
    ]
    assert (got[0]["record"], got[0]["rig"], got[0]["z_um"]) == ("night.sqlite", "a microscope", 100.0)
    assert notes == []


@pytest.mark.parametrize(
    "summary",
    [None, LockSummary(1.0, 9, 9, 0, None, None, 0.0, 0, False, 0.0, fault="the camera was unplugged")],
    ids=["error", "fault"],
)
def test_a_failure_is_posted_at_the_end(summary):
    with listener() as (url, got):
        run(AlarmHook(url), LOCKED, summary=summary)
    assert [alarm["state"] for alarm in got] == ["fault"]
    assert got[0]["reason"] == (summary.fault if summary else "ended by an error")


def test_a_run_that_went_well_is_quiet():
    with listener() as (url, got):
        run(AlarmHook(url), LockState.IDLE, LOCKED, LockState.UNCERTAIN, LOCKED)
    assert got == []


def test_it_tries_again_where_the_server_fails():
    with listener(500, 503) as (url, got):
        notes = run(AlarmHook(url, waits_s=(0.01, 0.01, 0.01)), LOCKED, LOST)
    assert [alarm["state"] for alarm in got] == ["lost"] * 3
    assert notes == []


def test_what_cannot_be_posted_is_told_without_the_secret(caplog):
    with listener() as (url, _):
        pass  # nobody listens there any more
    notes = run(AlarmHook(url, waits_s=(0.01,), timeout_s=1.0), LOCKED, LOST)
    assert len(notes) == 1
    assert notes[0].startswith("the alarm 'lost' could not be posted to 127.0.0.1: ")
    assert "secret" not in notes[0]
    assert notes[0] in caplog.text


@pytest.mark.parametrize("url", ["", "host/path", "ftp://host/", "https://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InputError, match="Expected a webhook"):
        AlarmHook(url)
