"""PycroManagerFocus: the learned focus in acquisitions of pycro-manager, by its hooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

from numpy.typing import NDArray

from parfocal.control.acquisition_focus import AcquisitionFocus, Place, Spot
from parfocal.control.clock import Clock, WallClock
from parfocal.control.focus_result import FocusResult
from parfocal.control.focus_routine import FocusRoutine
from parfocal.control.frame_focus import FocusState, FrameFocus
from parfocal.errors import FocusError
from parfocal.estimate import Estimator
from parfocal.microscope.micromanager.autofocus_settings import AutofocusSettings, OnFailure
from parfocal.microscope.pycromanager.devices import CoreCalls, PycroManagerCamera, PycroManagerFocusDrive
from parfocal.microscope.pycromanager.planned_event import (
    Event,
    images_of,
    index_of,
    light_of,
    moved_to,
    planned_z_um,
    takes_an_image,
)
from parfocal.microscope.pycromanager.shown_plan import ShownPlan

TRIES = 3
"""Where a field that is not brought into focus is tried again."""
ELSEWHERE_UM = 0.05
"""So far from where an image is planned, and the drive is sent there once more."""
KEPT_NOTES = 1000
"""Images on their way from the camera; the queue of pycro-manager holds 30."""


@dataclass(frozen=True)
class _Note:
    """An image that is on its way: where it was taken, and what was known of its focus then."""

    spot: Spot
    z_um: float
    about: FrameFocus
    shows_focus: bool


class PycroManagerFocus:
    """Lets acquisitions of pycro-manager focus by single images.

    Each place is brought into focus once in a time point, before its first image; the planes of its z-stack
    are taken about the focus, channels at their own offsets. Images that show the light of the model tell
    where the focus goes in between. What is known of the focus of an image goes into its metadata.

    Parameters
    ----------
    core : object
        Pycro-manager's ``Core()``, of either back end, with its devices loaded.
    estimator : Estimator
    settings : AutofocusSettings
        With ``retry``, a field is tried three times.
    clock : Clock, optional
        Wall time, if not given.
    pixel_size_um : float, optional
        Side of one pixel in the sample; by default what the configuration says.
    target_um : float
        How far above the focus the middle of a plan is wanted, in um of the stage.

    Raises
    ------
    DeviceError
        If camera, focus drive or pixel size are missing.
    LimitError
        If the drive is outside the window.

    Notes
    -----
    Focusing happens before the hardware is set up for an image, as only then the planes of a stack that the
    hardware steps through can still be moved; the stage is sent to the place for it first. Of several time
    points that the hardware takes in one go, only the first is brought into focus.

    The Python back end of pycro-manager prints an error of a hook, ends, and tells nobody: leaving the
    ``with`` block of this object raises it.

    Examples
    --------
    >>> focus = PycroManagerFocus(Core(), estimator, settings=settings)  # doctest: +SKIP
    >>> focus.expect(events)  # doctest: +SKIP
    >>> with focus, Acquisition("data", "plate", **focus.hooks) as acquisition:  # doctest: +SKIP
    ...     acquisition.acquire(events)
    """

    def __init__(
        self,
        core: Any,
        estimator: Estimator,
        *,
        settings: AutofocusSettings,
        clock: Clock | None = None,
        pixel_size_um: float | None = None,
        target_um: float = 0.0,
    ) -> None:
        clock = clock or WallClock()
        self._core, self._settings = CoreCalls(core), settings
        self._drive = PycroManagerFocusDrive(core)
        self._routine = FocusRoutine(
            PycroManagerCamera(core, pixel_size_um=pixel_size_um),
            self._drive,
            estimator,
            limits=settings.limits,
            settings=settings.routine,
            clock=clock,
        )
        self._focus = AcquisitionFocus(self._routine, clock=clock, target_um=target_um)
        self._plan = ShownPlan(self._core, self._drive)
        self._lock = threading.RLock()  # images arrive in another thread than hooks are called in
        self._results: list[tuple[Spot, FocusResult]] = []
        self._skipped: list[Mapping[str, Any]] = []
        self.begin()

    @property
    def hooks(self) -> dict[str, Callable[..., Any]]:
        """What an ``Acquisition`` has to be given, by the names of its arguments."""
        return {
            "pre_hardware_hook_fn": self.pre_hardware,
            "post_hardware_hook_fn": self.post_hardware,
            "image_process_fn": self.process_image,
        }

    @property
    def focus(self) -> AcquisitionFocus:
        """What is known of the focus of each place."""
        return self._focus

    @property
    def results(self) -> Sequence[tuple[Spot, FocusResult]]:
        """Every focusing so far, with its place."""
        return tuple(self._results)

    @property
    def skipped(self) -> Sequence[Mapping[str, Any]]:
        """The axes of every image that was not taken for want of focus."""
        return tuple(self._skipped)

    def begin(self) -> None:
        """Forget the plan of the acquisition before, not what was learned of its places.

        Leaving the ``with`` block does the same.
        """
        self._focus.begin()
        self._plan.begin()
        self._focused_at: dict[Place, int] = {}  # the time point in which a place was last tried
        self._notes: dict[frozenset[tuple[str, Any]], _Note] = {}
        self._error: Exception | None = None

    def expect(self, events: Iterable[Event]) -> None:
        """Learn from a plan what is meant to be in focus at each place: the middle of its planes.

        Plans with an axis ``z`` have to be told of before they begin.
        """
        self._plan.expect(events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        own = self._error
        self.begin()
        if own is not None and own is not error and (error is None or isinstance(error, Exception)):
            raise own

    # What pycro-manager calls

    def pre_hardware(self, event: Event | list[Event]) -> Event | list[Event] | None:
        """Bring the place of an event into focus, if it is due; the event with its corrected z.

        None where the image is not to be taken.

        Raises
        ------
        FocusError
            If the focus was not found, and the acquisition is to end where it is not.
        InputError
            If it is a plane of a z-stack that was not told of.
        DeviceError, LimitError, ModelError
            See `FocusRoutine.run`. Where the plan sends the drive out of the window, nothing is moved.
        """
        with self._at_work():
            images = images_of(event)
            if self._error is not None:
                return None
            if not takes_an_image(images[0]):
                return event
            spot = self._plan.spot_of(images[0])
            is_sure = self._focus.is_sure(spot, within_um=self._settings.sure_um)
            if not (is_sure or self._focus.was_tried(spot)):
                self._bring_into_focus(spot, images[0])
            if self._settings.on_failure is OnFailure.SKIP and self._is_failed(spot):
                self._skipped += [image.get("axes", {}) for image in images]
                return None
            aimed = [self._aimed(image) for image in images]
            return aimed if isinstance(event, list) else aimed[0]

    def post_hardware(self, event: Event | list[Event]) -> Event | list[Event] | None:
        """Note where the drive stands for an image, and what is known of its focus."""
        with self._at_work():
            images = images_of(event)
            if self._error is not None:
                return None
            if not takes_an_image(images[0]):
                return event
            is_stepped = len({image.get("z") for image in images}) > 1  # by the hardware, and under way
            here_um = self._drive.position_um() if is_stepped else self._settled_um(images[0])
            for image in images:
                self._note(image, z_um=float(image.get("z", here_um)) if is_stepped else here_um)
            self._forget_old_notes(len(images))
            return event

    def process_image(
        self, image: NDArray[Any], metadata: dict[str, Any]
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """The image as it is, and its metadata with what is known of its focus.

        Raises
        ------
        ModelError
            If the model was not made for the camera's images.
        """
        with self._at_work():
            note = self._notes.get(index_of(metadata.get("Axes", {})))
            if note is None:
                return image, metadata
            return image, {**metadata, **self._judged(note, image).as_metadata()}

    # Focusing

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """One thread at a time; what goes wrong is kept, and after it nothing is taken any more."""
        with self._lock:
            try:
                yield
            except Exception as error:
                self._error = self._error or error
                raise

    def _bring_into_focus(self, spot: Spot, event: Event) -> None:
        self._go_to_place(spot, event)
        self._focused_at[spot.place] = spot.time_point
        tries = TRIES if self._settings.on_failure is OnFailure.RETRY else 1
        for _ in range(tries):
            with self._light(event):
                result = self._focus.focus(spot)
            self._results.append((spot, result))
            if result.is_focused:
                return
        if self._settings.on_failure is OnFailure.ABORT:
            raise FocusError(
                f"{event.get('axes', {})}: {result.in_words}. The acquisition ends, as it was told to."
            )

    def _go_to_place(self, spot: Spot, event: Event) -> None:
        """The stage, and the drive to where the focus is expected, or planned."""
        core, z_um = self._core, self._focus.stage_um(spot)
        if z_um is None and self._plan.home_um(event) is not None:
            z_um = spot.plan_um + self._focus.target_um
        if z_um is not None:
            z_um = self._settings.limits.allowed(z_um)
        if event.get("x") is not None and event.get("y") is not None:
            label = core.get_xy_stage_device()
            core.set_xy_position(label, float(event["x"]), float(event["y"]))
            core.wait_for_device(label)
        if z_um is not None:
            self._drive.move_to(z_um)

    @contextmanager
    def _light(self, event: Event) -> Iterator[None]:
        """With the channel and exposure that are looked at; by default those of the image that comes."""
        core, settings = self._core, self._settings
        light, exposure_ms = light_of(event), settings.exposure_ms or event.get("exposure")
        if settings.channel_group and settings.channel:
            light, exposure_ms = (settings.channel_group, settings.channel), settings.exposure_ms
        before_ms, before = core.get_exposure(), core.get_current_config(light[0]) if light else ""
        if light:
            core.set_config(*light)
            core.wait_for_config(*light)
        if exposure_ms:
            core.set_exposure(float(exposure_ms))
        try:
            yield
        finally:
            if exposure_ms:
                core.set_exposure(before_ms)
            if light and before:
                core.set_config(light[0], before)
                core.wait_for_config(light[0], before)

    # Where the drive has to stand, and what is known of an image

    def _aimed(self, event: Event) -> Event:
        """The event with the drive where the focus is, as far as that is known."""
        planned_um = planned_z_um(event, self._drive.label)
        spot, above_um = self._plan.spot_of(event), self._channel_offset_um(event)
        if planned_um is not None:
            above_um += planned_um - spot.plan_um
        stage_um = self._focus.stage_um(spot, above_um=above_um)
        if stage_um is None and planned_um is None:
            return event
        if stage_um is None:
            stage_um = spot.plan_um + self._focus.target_um + above_um
        return moved_to(event, self._settings.limits.allowed(stage_um), self._drive.label)

    def _channel_offset_um(self, event: Event) -> float:
        _, preset = light_of(event) or ("", "")
        return self._settings.channel_offsets_um.get(preset, 0.0)

    def _settled_um(self, event: Event) -> float:
        """Where the drive stands; an engine that thinks it is there already does not send it."""
        here_um, wanted_um = self._drive.position_um(), event.get("z")
        if wanted_um is None or abs(here_um - wanted_um) <= ELSEWHERE_UM:
            return here_um
        self._drive.move_to(self._settings.limits.allowed(float(wanted_um)))
        return self._drive.position_um()

    def _note(self, event: Event, *, z_um: float) -> None:
        spot = self._plan.spot_of(event)
        about = self._focus.about(spot, z_um=z_um)
        index = index_of(event.get("axes", {}))
        self._notes.pop(index, None)
        self._notes[index] = _Note(spot, z_um, about, self._shows_focus(event))

    def _forget_old_notes(self, n_images: int) -> None:
        while len(self._notes) > KEPT_NOTES + n_images:
            del self._notes[next(iter(self._notes))]

    def _judged(self, note: _Note, image: NDArray[Any]) -> FrameFocus:
        if not note.shows_focus or image.ndim != 2:
            return note.about
        is_latest = self._focused_at.get(note.spot.place, 0) <= note.spot.time_point
        learn = self._settings.follow and is_latest
        estimate = self._focus.look_at(note.spot, image, z_um=note.z_um, learn=learn)
        if not is_latest:  # its place was focused anew while it was on its way
            return replace(note.about, image=estimate)
        return self._focus.about(note.spot, z_um=note.z_um, image=estimate)

    def _shows_focus(self, event: Event) -> bool:
        """Whether an image is of the light that the model knows."""
        settings = self._settings
        if settings.channel is None:
            return self._plan.has_one_light
        return light_of(event) == (settings.channel_group, settings.channel)

    def _is_failed(self, spot: Spot) -> bool:
        return self._focus.state_of(spot) is FocusState.FAILED
