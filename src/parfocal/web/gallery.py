"""Gallery: the last frame, and its map, as pictures that are made once for all viewers."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

from parfocal.errors import ParfocalError
from parfocal.web.board import LiveFrame, LockBoard
from parfocal.web.field_map import MapOf
from parfocal.web.picture import Picture, picture_of

MAP_EVERY_S = 2.0
STILL_LOOKING_S = 6.0
"""So long after somebody asked for a map, more are made."""


@dataclass(frozen=True, eq=False)
class MapState:
    """The last map that was made, of which frame; or why there is none."""

    picture: Picture | None = None
    frame: LiveFrame | None = None
    told: str = ""


class Gallery:
    """Pictures of the board's last frame.

    Parameters
    ----------
    board : LockBoard
    map_of : callable, optional
        Makes the map of a frame.

    Notes
    -----
    Maps are made by a thread of its own, one in two seconds at most, and only while somebody asks for them:
    it begins with the first who does, since it takes seconds to load a model.
    """

    def __init__(self, board: LockBoard, *, map_of: MapOf | None = None) -> None:
        self._board = board
        self._map_of = map_of
        self._making = threading.Lock()
        self._made: tuple[int, Picture] | None = None
        self._map = MapState(told="making the map" if map_of else "this model makes no maps")
        self._asked_s = self._wanted_s = -math.inf
        self._worker: threading.Thread | None = None

    @property
    def has_maps(self) -> bool:
        """Whether the model can make any."""
        return self._map_of is not None

    @property
    def is_watched(self) -> bool:
        """Whether somebody asked for a picture of late."""
        return time.monotonic() - self._wanted_s < STILL_LOOKING_S

    def picture(self) -> Picture | None:
        """The last frame; None before the first."""
        self._wanted_s = time.monotonic()
        frame = self._board.frame()
        if frame is None:
            return None
        with self._making:
            if self._made is None or self._made[0] != frame.number:
                self._made = frame.number, picture_of(frame.frame_yx)
            return self._made[1]

    def map(self) -> MapState:
        """The last map; asking for it lets more be made."""
        self._asked_s = self._wanted_s = time.monotonic()
        if self._map_of is not None and self._worker is None:
            self._worker = threading.Thread(
                target=self._make_maps, args=(self._map_of,), daemon=True, name="maps"
            )
            self._worker.start()
        return self._map

    def _make_maps(self, map_of: MapOf) -> None:
        made = 0
        while True:
            began_s = time.monotonic()
            frame = self._board.frame()
            if frame is not None and frame.number != made and began_s - self._asked_s < STILL_LOOKING_S:
                self._map = _map_state(frame, map_of)
                made = frame.number
            time.sleep(max(0.1, MAP_EVERY_S - (time.monotonic() - began_s)))


def _map_state(frame: LiveFrame, map_of: MapOf) -> MapState:
    try:
        field_map = map_of(frame.frame_yx)
    except ParfocalError as error:
        return MapState(picture_of(frame.frame_yx), frame, str(error))
    told = "" if field_map else "the model refuses this frame"
    return MapState(picture_of(frame.frame_yx, field_map=field_map), frame, told)
