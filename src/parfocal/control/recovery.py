"""Recovery: where to look for a focus that was lost, in few frames and within bounds."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray
from pydantic import Field

from parfocal.control.supervisor import LimitSettings
from parfocal.control.texture import texture_of
from parfocal.settings import Settings

OVERLAP = 0.8
"""Of what a model can tell, to both sides of a place looked from: near its ends it tells less well."""
LEAST_TEXTURE = 0.01
"""Of a field that is not empty, where none was seen in focus yet; of cells it is some percent."""
KEPT = 0.05
"""Of what a new frame in focus shows more than the least of those before."""
THERE_UM = 0.3
"""As near to a place counts as there: the drive's own steps and tolerance."""


class SearchSettings(Settings):
    """How far a focus is looked for that was lost, or is not in sight at the beginning.

    Attributes
    ----------
    reach_um, reach_toward_um : float
        From where it was last in focus, or where it began, away from the sample and toward it; never beyond
        the window.
    empty_share : float
        A field that shows less than this part of the texture that it had in focus is empty: there is nothing
        to look for, and the drive waits.
    looks : int
        Frames at each place.
    most_frames : int
        After so many the search ends, whatever it has seen.
    """

    reach_um: float = Field(default=40.0, gt=0)
    reach_toward_um: float = Field(default=20.0, gt=0)
    empty_share: float = Field(default=0.3, ge=0, le=1)
    looks: int = Field(default=2, ge=1)
    most_frames: int = Field(default=400, ge=1)


class Recovery:
    """Remembers where and how focus was seen, and leads a search from place to place.

    Parameters
    ----------
    limits : LimitSettings
    z_range_um : tuple of float
        Lowest and highest defocus that the model can tell.
    settings : SearchSettings, optional
        None: nothing is ever looked for, and no field is called empty.
    start_um : float
        Where the stage stands at the beginning.
    """

    def __init__(
        self,
        limits: LimitSettings,
        *,
        z_range_um: tuple[float, float],
        settings: SearchSettings | None,
        start_um: float,
    ) -> None:
        self._limits, self._z_range_um, self._settings = limits, z_range_um, settings
        self._texture_in_focus: float | None = None
        self._places_um: list[float] = []
        self._n_looks = self._n_frames = 0
        self._is_under_way = False
        self._is_due = settings is not None
        self._home_um = start_um
        self._was_in_focus = False
        self._seen_um: float | None = None
        self._trusted_at_um: float | None = None

    @property
    def home_um(self) -> float:
        """Where it was last in focus; before that, where a trusted answer saw the focus, or it all began."""
        return self._home_um if self._seen_um is None else self._seen_um

    def way_home_um(self, z_um: float) -> float:
        """How far it is from a stage position to `home_um`; 0 where that is as near as a drive comes."""
        way_um = self.home_um - z_um
        return way_um if abs(way_um) > self._limits.arrival_tolerance_um else 0.0

    @property
    def is_due(self) -> bool:
        """Whether there is a focus to look for: not yet since it was last seen, or since the beginning."""
        return self._is_due

    def answered(self, z_um: float, *, error_um: float) -> None:
        """A trusted answer at a stage position, by which focus is `error_um` below it."""
        self._trusted_at_um = z_um
        if not self._was_in_focus:
            seen_um = z_um - error_um
            self._seen_um = max(self._limits.lowest_z_um, min(seen_um, self._limits.highest_z_um))
        if self._is_there(z_um):  # seen from here: if it leads nowhere, the other places are left
            self.skip()
        if self._is_under_way:  # an answer that leads nowhere must not keep a search going for ever
            self._count_frame()

    def in_focus(self, z_um: float) -> None:
        """A trusted answer that focus is here."""
        self._home_um, self._was_in_focus, self._seen_um = z_um, True, None
        self._is_due, self._places_um, self._is_under_way = self._settings is not None, [], False

    def left_by_a_hand(self, z_um: float) -> None:
        """Somebody put the stage there: it stays until an answer says otherwise."""
        self._home_um, self._was_in_focus = z_um, True
        self.distrust()
        self.give_up()

    def distrust(self) -> None:
        """The answers were no good: where they saw the focus does not count."""
        self._seen_um = self._trusted_at_um = None

    def is_where_an_answer_led(self, z_um: float, *, within_um: float) -> bool:
        """Whether the stage came here by a trusted answer, from no further than that from the last focus.

        Some samples can be told from beside the focus and not in it.
        """
        if self._trusted_at_um is None or abs(z_um - self._trusted_at_um) <= THERE_UM / 3:
            return False
        return not self._was_in_focus or abs(z_um - self._home_um) <= within_um

    def keep_texture(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> None:
        """A frame in focus: what it shows is what a frame that is not empty shows at least."""
        if self._settings is None:
            return
        texture, before = texture_of(frame_yx, pixel_size_um=pixel_size_um), self._texture_in_focus
        if before is None or texture < before:
            self._texture_in_focus = texture
        else:
            self._texture_in_focus = before + KEPT * (texture - before)

    def give_up(self) -> None:
        """Nothing is to be looked for until a focus has been seen again."""
        self._is_due, self._places_um, self._is_under_way = False, [], False

    def is_empty(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> bool:
        """Whether a frame shows much less than one in focus did; or hardly anything, where there was none."""
        if self._settings is None:
            return False
        texture, in_focus = texture_of(frame_yx, pixel_size_um=pixel_size_um), self._texture_in_focus
        return texture < (LEAST_TEXTURE if in_focus is None else self._settings.empty_share * in_focus)

    def begin(self) -> None:
        """Plan a search around `home_um`, or go on with one that was interrupted."""
        assert self._settings is not None
        if self._is_under_way:
            return
        self._is_under_way = True
        self._places_um = list(
            places_to_look_from(
                self.home_um, z_range_um=self._z_range_um, limits=self._limits, settings=self._settings
            )
        )
        self._n_looks = self._n_frames = 0

    def next_place_um(self, z_um: float) -> float | None:
        """Where to look from after a frame told nothing; None once every place was looked from."""
        assert self._settings is not None
        self._count_frame()
        if self._is_there(z_um):
            self._n_looks += 1
            if self._n_looks >= self._settings.looks:
                self.skip()
        if not self._places_um:
            self.give_up()
            return None
        return self._places_um[0]

    def skip(self) -> None:
        """Leave out the next place: it was looked from, or cannot be reached."""
        self._places_um = self._places_um[1:]
        self._n_looks = 0

    def _count_frame(self) -> None:
        self._n_frames += 1
        if self._settings is not None and self._n_frames >= self._settings.most_frames:
            self.give_up()

    def _is_there(self, z_um: float) -> bool:
        return bool(self._places_um) and abs(z_um - self._places_um[0]) <= THERE_UM


def places_to_look_from(
    good_um: float,
    *,
    z_range_um: tuple[float, float],
    limits: LimitSettings,
    settings: SearchSettings,
) -> tuple[float, ...]:
    """Stage positions from which a model sees all that a search may reach, in the order of looking.

    Parameters
    ----------
    good_um : float
        Where it was last in focus: looked from first.
    z_range_um : tuple of float
        Lowest and highest defocus that the model can tell.
    limits : LimitSettings
    settings : SearchSettings

    Notes
    -----
    Away from the sample before toward it, and each way to its end in one go: on the way from place to place
    each frame is looked at too.

    Examples
    --------
    >>> limits = LimitSettings.around(0.0, reach_um=60.0)
    >>> looked_from = places_to_look_from(
    ...     0.0, z_range_um=(-15.0, 15.0), limits=limits, settings=SearchSettings()
    ... )
    >>> [round(z_um) for z_um in looked_from]
    [0, -24, -40, 20]
    """
    lowest_um = max(good_um - settings.reach_um, limits.lowest_z_um)
    highest_um = min(good_um + settings.reach_toward_um, limits.highest_z_um)
    apart_um = 2 * OVERLAP * min(-z_range_um[0], z_range_um[1])
    away = _stations(good_um, lowest_um, -apart_um)
    toward = _stations(good_um, highest_um, apart_um)
    first = (good_um,) if lowest_um <= good_um <= highest_um else ()
    return (*first, *away, *toward)


def _stations(from_um: float, to_um: float, apart_um: float) -> list[float]:
    """Places `apart_um` from one another up to an end, and the end; none where that lies the other way."""
    n = math.floor((to_um - from_um) / apart_um)
    if n < 0:
        return []
    places = [from_um + apart_um * (k + 1) for k in range(n)]
    reached_um = places[-1] if places else from_um
    return [*places, to_um] if abs(to_um - reached_um) > THERE_UM else places
