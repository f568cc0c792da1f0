"""The REST endpoints of a lock: all that its page shows and does, for scripts."""

from __future__ import annotations

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
    def health(response: Response) -> HealthReply:
        now = board.read()
        ok = not (now.is_late or now.is_over)
        response.status_code = 200 if ok else 503
        return HealthReply(ok=ok)

    @router.get("/state", summary="What is known now")
    def state() -> StateReply:
        return StateReply.of(board.read())

    @router.get("/history", summary="The course of stage, focus and state")
    def history(
        span_s: Annotated[
            float | None,
            Query(gt=0, description="The last so many seconds of the lock's clock; all, if not said"),
        ] = None,
    ) -> HistoryReply:
        values: dict[str, Any] = columns(board.history(span_s))
        for name in ("focus_z_um", "true_error_um"):
            values[name] = without_nan(values[name])
        return HistoryReply(**values)

    @router.get("/events", summary="What happened, the last first")
    def events() -> list[EventReply]:
        return [EventReply.of(heard) for heard in board.events()]

    @router.get("/settings", summary="How the lock behaves, its limits included")
    def settings() -> dict[str, Any]:
        return board.start.settings.model_dump(mode="json")


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
    def stop() -> AskedReply:
        reply = ask(Wish.STOP)
        board.stop_was_asked()
        return reply

    @router.post("/pause", responses=OVER, status_code=202, summary="Hands off the drive; goes on looking")
    def pause() -> AskedReply:
        return ask(Wish.PAUSE)

    @router.post("/lock", responses=OVER, status_code=202, summary="End a pause: hold the focus again")
    def lock() -> AskedReply:
        return ask(Wish.LOCK)

    @router.post("/target", responses=OVER, status_code=202, summary="Hold another defocus")
    def target(wish: TargetWish) -> AskedReply:
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
