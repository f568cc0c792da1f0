"""The REST endpoints of a lock: all that its page shows and does, for scripts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response

from parfocal.control.requests import refuse_unreachable_target
from parfocal.errors import InputError
from parfocal.web.board import LockBoard
from parfocal.web.gallery import Gallery
from parfocal.web.history import columns
from parfocal.web.messages import Ask, Wish
from parfocal.web.picture import Picture
from parfocal.web.replies import (
    AskedReply,
    EventReply,
    HealthReply,
    HistoryReply,
    StateReply,
    TargetWish,
    without_nan,
)

ABOUT = """Holding the focus of a microscope: its state, its course, its images, and what may be asked of it.

All but `/api/health` needs the token of the run, as `Authorization: Bearer TOKEN`. Micrometres and seconds;
defocus is stage minus focus position. What is asked for comes with the next frame of the camera."""
JPEG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "A JPEG of at most 640 pixels a side"}
}
COURSE_FRESH_S = 0.5
OVER: dict[int | str, dict[str, Any]] = {409: {"description": "The lock is over"}}

Tell = Callable[[Ask], None]
"""Takes a wish to the lock; does not wait for it."""


def api_router(board: LockBoard, gallery: Gallery, tell: Tell) -> APIRouter:
    """All endpoints under ``/api``.

    Parameters
    ----------
    board : LockBoard
    gallery : Gallery
    tell : callable
    """
    router = APIRouter(prefix="/api", tags=["lock"])
    _add_views(router, board)
    _add_images(router, gallery)
    _add_wishes(router, board, tell)
    return router


def _add_views(router: APIRouter, board: LockBoard) -> None:
    @router.get("/health", summary="Whether frames come; needs no token")
    async def health(response: Response) -> HealthReply:
        now = board.read()
        ok = not (now.is_late or now.is_over)
        response.status_code = 200 if ok else 503
        return HealthReply(ok=ok)

    @router.get("/state", summary="What is known now")
    async def state() -> StateReply:
        return StateReply.of(board.read())

    courses = _Courses(board)

    @router.get("/history", response_model=HistoryReply, summary="The course of stage, focus and state")
    def history(
        span_s: Annotated[
            float | None,
            Query(gt=0, description="The last so many seconds of the lock's clock; all, if not said"),
        ] = None,
    ) -> Response:
        return Response(courses.json(span_s), media_type="application/json")

    @router.get("/events", summary="What happened, the last first")
    async def events() -> list[EventReply]:
        return [EventReply.of(heard) for heard in board.events()]

    @router.get("/settings", summary="How the lock behaves, its limits included")
    async def settings() -> dict[str, Any]:
        return board.start.settings.model_dump(mode="json")


class _Courses:
    """The course of the lock as JSON, made at most twice a second however many ask."""

    def __init__(self, board: LockBoard) -> None:
        self._board = board
        self._making = threading.Lock()
        self._made: dict[float | None, tuple[float, str]] = {}

    def json(self, span_s: float | None) -> str:
        """The last `span_s` seconds, or all; a moment old at most."""
        with self._making:
            now_s = time.monotonic()
            self._made = {span: one for span, one in self._made.items() if now_s - one[0] < COURSE_FRESH_S}
            if span_s not in self._made:
                values: dict[str, Any] = columns(self._board.history(span_s))
                for name in ("focus_z_um", "true_error_um"):
                    values[name] = without_nan(values[name])
                self._made[span_s] = now_s, HistoryReply(**values).model_dump_json()
            return self._made[span_s][1]


def _add_images(router: APIRouter, gallery: Gallery) -> None:
    @router.get("/image", response_class=Response, responses=JPEG, summary="The last frame that was kept")
    def image() -> Response:
        return _jpeg(gallery.picture(), "no frame has come yet")

    @router.get(
        "/map",
        response_class=Response,
        responses=JPEG,
        summary="The last frame with its defocus map over it; asking for it lets more be made",
    )
    def field_map() -> Response:
        made = gallery.map()
        return _jpeg(made.picture, made.told)


def _add_wishes(router: APIRouter, board: LockBoard, tell: Tell) -> None:
    def ask(wish: Wish, target_um: float | None = None) -> AskedReply:
        if board.read().is_over:
            raise HTTPException(409, "The lock is over.")
        tell(Ask(wish, target_um))
        return AskedReply(asked=wish.value)

    @router.post("/stop", responses=OVER, status_code=202, summary="End the run and stop the drive")
    async def stop() -> AskedReply:
        reply = ask(Wish.STOP)
        board.stop_was_asked()
        return reply

    @router.post("/pause", responses=OVER, status_code=202, summary="Hands off the drive; goes on looking")
    async def pause() -> AskedReply:
        return ask(Wish.PAUSE)

    @router.post("/lock", responses=OVER, status_code=202, summary="End a pause: hold the focus again")
    async def lock() -> AskedReply:
        return ask(Wish.LOCK)

    @router.post("/target", responses=OVER, status_code=202, summary="Hold another defocus")
    async def target(wish: TargetWish) -> AskedReply:
        try:
            refuse_unreachable_target(wish.target_um, board.start.z_range_um)
        except InputError as error:
            raise HTTPException(422, str(error)) from error
        return ask(Wish.TARGET, wish.target_um)


def _jpeg(picture: Picture | None, told: str) -> Response:
    if picture is None:
        raise HTTPException(404, told)
    headers = {"Cache-Control": "no-store"}
    if picture.span_um:
        headers["Parfocal-Colours-Um"] = "{:.2f} {:.2f}".format(*picture.span_um)
    return Response(picture.jpeg, media_type="image/jpeg", headers=headers)
