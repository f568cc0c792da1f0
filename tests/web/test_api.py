"""All that the page shows and does is there for scripts, and described."""

import io
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from web_world import START, served, snapshot_at, steps_of

from parfocal.control import LockState, LockSummary
from parfocal.errors import ModelError
from parfocal.web.api import api_router
from parfocal.web.board import LockBoard
from parfocal.web.field_map import FieldMap
from parfocal.web.gallery import Gallery
from parfocal.web.guard import Guard
from parfocal.web.messages import Ask, Wish
from parfocal.web.page_settings import PageSettings

MANUAL = Path(__file__).parents[2] / "docs" / "lock-page.md"
FRAME = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
SUMMARY = LockSummary(1.0, 72_000, 72_000, 20, 0.1, 0.4, 1.0, 0, True, 3.0)


class Api:
    """The endpoints on a board, and what they asked of the lock."""

    def __init__(self, map_of=None) -> None:
        self.board = LockBoard(START)
        self.asked: list[Ask] = []
        self.app = FastAPI()
        self.app.include_router(api_router(self.board, Gallery(self.board, map_of=map_of), self.asked.append))

    def take(self, *snapshots, heard=()):
        self.board.take(steps_of(*snapshots, heard=heard))
        self.board.take_frame(FRAME)


@contextmanager
def asked(api: Api) -> Iterator[Api]:
    with served(api.app) as url, httpx.Client(base_url=url) as api.client:
        yield api


@pytest.fixture
def api() -> Iterator[Api]:
    with asked(Api()) as api:
        yield api


def test_the_state_before_the_first_frame_has_no_numbers(api):
    told = api.client.get("/api/state").json()
    assert (told["state"], told["z_um"], told["defocus_um"], told["summary"]) == ("idle", None, None, None)
    assert (told["lowest_z_um"], told["highest_z_um"]) == (90.0, 110.0)


def test_the_state_tells_all_that_is_known(api):
    api.take(snapshot_at(1.0), snapshot_at(61.0))
    told = api.client.get("/api/state").json()
    assert (told["state"], told["in_state_s"], told["alarm"]) == ("locked", 60.0, False)
    assert told["interval90_um"] == pytest.approx([0.05 - 0.329, 0.05 + 0.329])
    assert (told["z_um"], told["estimate_um"], told["reason"]) == (100.0, 0.1, "within the dead band")


def test_a_belief_that_is_none_is_null(api):
    api.take(snapshot_at(1.0, belief_sd_um=1000.0, std_um=float("nan"), accepted=False))
    told = api.client.get("/api/state").json()
    assert (told["defocus_um"], told["interval90_um"], told["estimate_std_um"]) == (None, None, None)


def test_the_history_is_one_list_for_each_value(api):
    api.take(snapshot_at(1.0), snapshot_at(2.0, accepted=False), snapshot_at(3.0))
    told = api.client.get("/api/history").json()
    assert told["t_s"] == [1.0, 2.0, 3.0]
    assert told["focus_z_um"] == [99.9, None, 99.9]
    assert told["true_error_um"] == [None] * 3
    assert api.client.get("/api/history", params={"span_s": 1.5}).json()["t_s"] == [2.0, 3.0]
    assert api.client.get("/api/history", params={"span_s": -1}).status_code == 422


def test_events_and_settings_are_there(api):
    api.take(snapshot_at(1.0), heard=((0.0, "started"), (1.0, "locked")))
    assert [event["text"] for event in api.client.get("/api/events").json()] == ["locked", "started"]
    assert api.client.get("/api/settings").json()["limits"]["highest_z_um"] == 110.0


def test_the_image_is_a_jpeg_as_soon_as_there_is_one(api):
    assert api.client.get("/api/image").status_code == 404
    api.take(snapshot_at(1.0))
    answer = api.client.get("/api/image")
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (64, 64)


def eventually(get, *, code=200):
    for _ in range(400):
        answer = get()
        if answer.status_code == code:
            return answer
        time.sleep(0.02)
    raise AssertionError(answer.text)


def test_the_map_is_made_once_it_is_asked_for():
    seen = []

    def map_of(frame_yx):
        seen.append(frame_yx.shape)
        return FieldMap(np.full((4, 4), 2.0), np.ones((4, 4)))

    with asked(Api(map_of)) as api:
        api.take(snapshot_at(1.0))
        assert api.client.get("/api/image").status_code == 200
        assert seen == []
        answer = eventually(lambda: api.client.get("/api/map"))
    assert answer.headers["parfocal-colours-um"] == "1.00 3.00"
    assert seen == [(64, 64)]


def test_a_map_that_cannot_be_made_is_the_frame_alone():
    def map_of(frame_yx):
        raise ModelError("the network has no tiles")

    with asked(Api(map_of)) as api:
        api.take(snapshot_at(1.0))
        answer = eventually(lambda: api.client.get("/api/map"))
    assert "parfocal-colours-um" not in answer.headers


def test_without_a_map_maker_it_says_so(api):
    answer = api.client.get("/api/map")
    assert (answer.status_code, answer.json()["detail"]) == (404, "this model makes no maps")


@pytest.mark.parametrize("wish", [Wish.LOCK, Wish.PAUSE, Wish.STOP])
def test_a_wish_goes_to_the_lock(api, wish):
    answer = api.client.post(f"/api/{wish}")
    assert (answer.status_code, answer.json()) == (202, {"asked": str(wish)})
    assert api.asked == [Ask(wish)]
    assert api.client.get("/api/state").json()["is_stopping"] is (wish is Wish.STOP)


def test_another_target_goes_to_the_lock_if_it_can_be_told(api):
    assert api.client.post("/api/target", json={"target_um": -1.5}).status_code == 202
    assert api.asked == [Ask(Wish.TARGET, -1.5)]
    refused = api.client.post("/api/target", json={"target_um": 15})
    assert refused.status_code == 422
    assert "-15 to 15 um; got 15 um" in refused.json()["detail"]
    assert api.client.post("/api/target", json={"um": 1}).status_code == 422
    assert api.client.post("/api/target", content='{"target_um": NaN}').status_code == 422
    assert len(api.asked) == 1


def test_once_it_is_over_nothing_is_asked_any_more(api):
    api.take(snapshot_at(1.0))
    api.board.end(SUMMARY)
    assert api.client.post("/api/stop").status_code == 409
    told = api.client.get("/api/state").json()
    assert (told["state"], told["is_over"], told["summary"]["held"]) == ("stopped", True, True)
    assert api.asked == []


def test_health_says_whether_frames_come(api):
    assert api.client.get("/api/health").json() == {"ok": True}
    api.board.end(None)
    assert api.client.get("/api/health").status_code == 503


def test_every_endpoint_and_value_is_described(api):
    told = api.client.get("/openapi.json").json()
    views = {"health", "state", "history", "events", "settings", "image", "map"}
    wishes = {"stop", "pause", "lock", "target"}
    assert set(told["paths"]) == {f"/api/{name}" for name in views | wishes}
    operations = [operation for path in told["paths"].values() for operation in path.values()]
    assert all(len(operation["summary"]) > 10 for operation in operations)
    states = told["components"]["schemas"]["LockState"]["enum"]
    assert set(states) == set(LockState)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_manual_do_what_it_says(tmp_path):
    lines = [line for line in MANUAL.read_text("utf-8").splitlines() if line.startswith("curl ")]
    api = Api(lambda frame_yx: FieldMap(np.full((4, 4), 2.0), np.ones((4, 4))))
    paths = set()
    with served(Guard(api.app, settings=PageSettings(token="a-token-of-this-run"), port=8642)) as url:
        api.take(snapshot_at(1.0))
        for line in lines:
            command = line.replace("http://127.0.0.1:8642", url).replace("TOKEN", "a-token-of-this-run")
            said = [*shlex.split(command), "--silent", "--fail", "--retry", "5", "--retry-all-errors"]
            done = subprocess.run(said, cwd=tmp_path, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (line, done)
            paths.add(re.search(r"/api/\w+", line)[0])
    assert paths == set(api.app.openapi()["paths"])
    assert [ask.wish for ask in api.asked] == [Wish.PAUSE, Wish.LOCK, Wish.TARGET, Wish.STOP]
    assert {path.name for path in tmp_path.iterdir()} == {"field.jpg", "map.jpg"}
