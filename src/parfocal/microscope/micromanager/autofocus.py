"""ParfocalAutofocus: the learned focus as the autofocus device of a Micro-Manager core."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus
from pymmcore_plus.mda import SkipEvent
from useq import MDAEvent, MDASequence

from parfocal.control.acquisition_focus import AcquisitionFocus, Spot
from parfocal.control.clock import Clock, WallClock
from parfocal.control.focus_result import FocusResult
from parfocal.control.focus_routine import FocusRoutine
from parfocal.control.frame_focus import FocusState
from parfocal.errors import FocusError
from parfocal.estimate import Estimator, FocusEstimate
from parfocal.microscope.micromanager.autofocus_settings import AutofocusSettings, OnFailure
from parfocal.microscope.micromanager.core_hooks import Hooks
from parfocal.microscope.micromanager.devices import MicroManagerCamera, MicroManagerFocusDrive, hardware
from parfocal.microscope.micromanager.focus_writing import LABEL, FocusWriting
from parfocal.microscope.micromanager.planned_event import (
    above_um,
    channel_of,
    forget_last_run,
    home_um,
    images_of,
    is_autofocus,
    parts_of,
    place_of,
    takes_an_image,
    time_point_of,
)

BY_HAND = (-1, -1)
"""The place that is no part of a plan."""


class ParfocalAutofocus:
    """Lets a Micro-Manager core focus by single images.

    While it is attached, any acquisition that the core's own engine runs is brought into focus as its
    autofocus plan says: once for each position and time point, z-stacks about the focus, channels at their
    own offsets. Images that are taken anyway tell where the focus goes in between.

    Parameters
    ----------
    core : CMMCorePlus
        With its devices loaded.
    estimator : Estimator
    settings : AutofocusSettings
    clock : Clock, optional
        Wall time, if not given.
    pixel_size_um : float, optional
        Side of one pixel in the sample; by default what the configuration says.

    Attributes
    ----------
    on_focus : callable
        Called with the spot and the `FocusResult` of every focusing, in the thread of the acquisition.
    on_skip : callable
        Called with the event of every image that is not taken for want of focus.

    Raises
    ------
    DeviceError
        If camera, focus drive or pixel size are missing.
    LimitError
        If the drive is outside the window.

    Notes
    -----
    Not even the engine is exchanged: see `Hooks`. Where the plan sends the drive out of the window, the
    acquisition ends with an error before it moves.

    Examples
    --------
    >>> with ParfocalAutofocus(core, estimator, settings=settings):  # doctest: +SKIP
    ...     core.mda.run(sequence, output="plate.ome.zarr")
    """

    def __init__(
        self,
        core: CMMCorePlus,
        estimator: Estimator,
        *,
        settings: AutofocusSettings,
        clock: Clock | None = None,
        pixel_size_um: float | None = None,
    ) -> None:
        clock = clock or WallClock()
        self._core, self._settings, self._limits = core, settings, settings.limits
        self.on_focus: Callable[[Spot, FocusResult], None] = lambda spot, result: None
        self.on_skip: Callable[[MDAEvent], None] = lambda event: None
        self._camera = MicroManagerCamera(core, pixel_size_um=pixel_size_um)
        self._drive = MicroManagerFocusDrive(core)
        self._routine = FocusRoutine(
            self._camera,
            self._drive,
            estimator,
            limits=settings.limits,
            settings=settings.routine,
            clock=clock,
        )
        self._focus = AcquisitionFocus(self._routine, clock=clock)
        self._hooks = Hooks(core)
        self._engine_hooks: Hooks | None = None
        self._writing = FocusWriting(self._facts_of_next)
        self._follows = settings.follow
        self._thread: int | None = None  # that runs an acquisition
        self._event: MDAEvent | None = None  # the one at hand
        self._to_write: deque[MDAEvent] = deque()
        self._plan: object = None
        self._is_looking = False
        self._start_z_um = 0.0
        self._has_one_light = True
        self._n_by_hand = 0
        self._restores: bool | None = None
        self._results: list[tuple[Spot, FocusResult]] = []

    @property
    def focus(self) -> AcquisitionFocus:
        """What is known of the focus of each place."""
        return self._focus

    @property
    def results(self) -> Sequence[tuple[Spot, FocusResult]]:
        """Every focusing so far, with its place."""
        return tuple(self._results)

    def attach(self) -> None:
        """Become the core's autofocus.

        Raises
        ------
        RuntimeError
            If another one is attached.
        """
        replace, core = self._hooks.replace, self._core
        replace("getAutoFocusDevice", lambda: LABEL)
        replace("fullFocus", self._full_focus)
        replace("incrementalFocus", self._full_focus)
        replace("enableContinuousFocus", self._follow)
        replace("isContinuousFocusEnabled", lambda: self._follows)
        replace("isContinuousFocusLocked", lambda: False)  # there is nothing for the engine to switch off
        replace("setAutoFocusOffset", self._aim)
        replace("getAutoFocusOffset", lambda: self._focus.target_um)
        replace("setPosition", self._positioning(core.setPosition))
        replace("waitForDevice", self._waiting(core.waitForDevice))
        replace("setZPosition", self._stepping(core.setZPosition))
        replace("loadStageSequence", self._loading(core.loadStageSequence))
        replace("getImage", self._imaging(core.getImage))
        engine = core.mda.engine
        if engine is not None:
            self._engine_hooks = Hooks(engine)
            self._engine_hooks.replace("setup_sequence", self._beginning(engine.setup_sequence))
            self._engine_hooks.replace("event_iterator", self._dividing(engine.event_iterator))
            self._engine_hooks.replace("setup_event", self._setting_up(engine.setup_event))
            self._engine_hooks.replace("teardown_sequence", self._ending(engine.teardown_sequence))
            self._restores = engine.restore_initial_state
            engine.restore_initial_state = False  # it would undo in the end what drifted

    def detach(self) -> None:
        """Leave the core as it was."""
        if self._engine_hooks is not None:
            self._engine_hooks.undo()
            self._engine_hooks = None
            if self._core.mda.engine is not None:
                self._core.mda.engine.restore_initial_state = self._restores
        self._hooks.undo()
        self._thread = self._event = None

    def focus_here(self) -> FocusResult:
        """Bring what is in view into focus, outside of any acquisition.

        Raises
        ------
        DeviceError, LimitError, ModelError
            See `FocusRoutine.run`.
        """
        return self._bring_into_focus(self._spot_here())

    def stack_at(self, z_um: NDArray[np.float64], *, group: str, channel: str) -> NDArray[Any]:
        """Frames (Z, Y, X) of a channel at stage positions; the drive ends where it was.

        Raises
        ------
        LimitError
            If one is outside the window: nothing is moved then.
        DeviceError
            If camera or drive fail.
        """
        for position_um in z_um:
            self._limits.allowed(float(position_um))
        before_um = self._drive.position_um()
        self._core.setConfig(group, channel)
        self._core.waitForConfig(group, channel)
        frames = []
        for position_um in z_um:
            self._drive.move_to(float(position_um))
            frames.append(self._camera.snap())
        self._drive.move_to(before_um)
        return np.stack(frames)

    def __enter__(self) -> Self:
        self.attach()
        return self

    def __exit__(self, *error: object) -> None:
        self.detach()

    # What an autofocus device is asked for

    def _full_focus(self) -> None:
        event = self._event if self._is_asked_by_the_engine else None
        if event is None and self._thread is not None:
            raise RuntimeError("an acquisition is running, and focuses as its plan says")
        spot = self._spot_here() if event is None else self._spot_of(event)
        if event is not None and self._is_settled(spot):
            return
        result = self._bring_into_focus(spot)
        if result.is_focused:
            return
        if event is not None and self._settings.on_failure is OnFailure.ABORT:
            raise FocusError(
                f"{_in_words(spot)}: {result.in_words}. The acquisition ends, as it was told to."
            )
        raise RuntimeError(result.in_words)

    def _is_settled(self, spot: Spot) -> bool:
        """Whether a spot is in focus without a look: it was brought there, or is sure to be.

        Raises
        ------
        RuntimeError
            If it could not be, and is not to be tried again: that is how the engine is told.
        """
        if self._focus.was_tried(spot):
            if self._focus.state_of(spot) is FocusState.FOCUSED:
                return True
            if self._settings.on_failure is not OnFailure.RETRY:
                raise RuntimeError("the focus was not found here")
        return self._focus.is_sure(spot, within_um=self._settings.sure_um)

    def _bring_into_focus(self, spot: Spot) -> FocusResult:
        self._is_looking = True
        try:
            with self._light():
                result = self._focus.focus(spot)
        finally:
            self._is_looking = False
        self._results.append((spot, result))
        self.on_focus(spot, result)
        return result

    @contextmanager
    def _light(self) -> Iterator[None]:
        """With the channel and exposure that are looked at."""
        core, settings = self._core, self._settings
        before = ""
        with hardware("the light"):  # what it raises must not pass for a focus that was not found
            exposure_ms = core.getExposure()
            if settings.channel_group and settings.channel:
                before = core.getCurrentConfig(settings.channel_group)
                core.setConfig(settings.channel_group, settings.channel)
                core.waitForConfig(settings.channel_group, settings.channel)
            if settings.exposure_ms:
                core.setExposure(settings.exposure_ms)
        yield
        with hardware("the light"):
            if settings.exposure_ms:
                core.setExposure(exposure_ms)
            if settings.channel_group and before:
                core.setConfig(settings.channel_group, before)

    def _follow(self, enable: bool) -> None:
        self._follows = self._settings.follow or enable

    def _aim(self, offset_um: float) -> None:
        self._focus.target_um = float(offset_um)

    # What the engine does

    def _beginning(self, original: Callable[[MDASequence], Any]) -> Callable[[MDASequence], Any]:
        def setup_sequence(sequence: MDASequence) -> Any:
            self._thread = threading.get_ident()
            self._begin(sequence)
            return original(sequence)

        return setup_sequence

    def _begin(self, sequence: MDASequence) -> None:
        plan = [(p.x, p.y, p.z) for p in sequence.stage_positions]
        if plan != self._plan:  # what was learned is counted from the positions of a plan
            self._plan, self._start_z_um = plan, self._drive.position_um()
            self._focus.forget()
        self._focus.begin()
        forget_last_run(sequence)
        channels = {c.config for part in parts_of(sequence) for c in part.channels}
        self._has_one_light = len(channels) <= 1

    def _dividing(
        self, original: Callable[[Iterable[MDAEvent]], Iterator[MDAEvent]]
    ) -> Callable[[Iterable[MDAEvent]], Iterator[MDAEvent]]:
        """What the hardware takes in one go has one position of the drive: places and times apart."""

        def event_iterator(events: Iterable[MDAEvent]) -> Iterator[MDAEvent]:
            for _, together in groupby(events, key=self._what_goes_together):
                yield from original(together)

        return event_iterator

    def _what_goes_together(self, event: MDAEvent) -> object:
        return place_of(event), event.index.get("t"), self._channel_offset_um(event)

    def _setting_up(self, original: Callable[[MDAEvent], None]) -> Callable[[MDAEvent], None]:
        def setup_event(event: MDAEvent) -> None:
            self._event = event
            original(event)
            self._set_up(event)

        return setup_event

    def _ending(self, original: Callable[[MDASequence], None]) -> Callable[[MDASequence], None]:
        def teardown_sequence(sequence: MDASequence) -> None:
            self._thread = self._event = None
            original(sequence)

        return teardown_sequence

    # What the engine asks the core for

    @property
    def _is_asked_by_the_engine(self) -> bool:
        """Whether it is the engine that asks, and not a window beside it, nor the routine."""
        return threading.get_ident() == self._thread and not self._is_looking

    def _positioning(self, original: Callable[..., None]) -> Callable[..., None]:
        def set_position(*args: Any) -> None:
            label, z_um = args if len(args) == 2 else (self._core.getFocusDevice(), args[0])
            if label == LABEL:
                self._aim(z_um)
                return
            if self._is_asked_by_the_engine and label == self._core.getFocusDevice():
                self._limits.allowed(z_um)
            original(*args)

        return set_position

    def _waiting(self, original: Callable[[str], None]) -> Callable[[str], None]:
        def wait_for_device(label: str) -> None:
            if label != LABEL:
                original(label)

        return wait_for_device

    def _stepping(self, original: Callable[[float], None]) -> Callable[[float], None]:
        def set_z_position(z_um: float) -> None:
            if self._is_asked_by_the_engine:
                z_um = self._limits.allowed(z_um if self._event is None else self._stage_um(self._event))
            original(z_um)

        return set_z_position

    def _loading(self, original: Callable[..., None]) -> Callable[..., None]:
        def load_stage_sequence(label: str, positions: Sequence[float]) -> None:
            is_asked = self._event is not None and self._is_asked_by_the_engine
            if self._event is not None and is_asked and label == self._core.getFocusDevice():
                positions = [self._limits.allowed(self._stage_um(event)) for event in images_of(self._event)]
            original(label, positions)

        return load_stage_sequence

    def _set_up(self, event: MDAEvent) -> None:
        """The last word before an event: whether the image is taken, and where if the plan does not say."""
        if not takes_an_image(event):
            return
        self._writing.begin(self._core)
        images = images_of(event)
        spot, is_moved = self._spot_of(images[0]), False
        is_to_be_skipped = self._settings.on_failure is OnFailure.SKIP
        if is_to_be_skipped and self._focus.state_of(spot) is FocusState.FAILED:
            if self._focus.was_tried(spot) or not self._bring_into_focus(spot).is_focused:
                self._skip(images, spot)
            is_moved = True
        elif self._focus.has_gone_far(spot) and not self._focus.was_tried(spot):
            self._check_what_was_followed(images, spot)
            is_moved = True
        if is_moved or (event.z_pos is None and self._focus.stage_um(spot) is not None):
            self._go_to(self._stage_um(images[0]))
        first_um = self._drive.position_um() - self._stage_um(images[0])
        for image in images:
            self._note(image, z_um=first_um + self._stage_um(image))
        self._to_write = deque(images)

    def _skip(self, images: Sequence[MDAEvent], spot: Spot) -> None:
        for image in images:
            self._note(image, z_um=self._drive.position_um())
            self.on_skip(image)
        raise SkipEvent(len(images), reason=f"{_in_words(spot)}: not in focus")

    def _check_what_was_followed(self, images: Sequence[MDAEvent], spot: Spot) -> None:
        """Images led far away: known moves have to tell again that the model is right."""
        result = self._bring_into_focus(spot)
        if result.is_focused:
            return
        if self._settings.on_failure is OnFailure.ABORT:
            raise FocusError(f"{_in_words(spot)}: {result.in_words}. The acquisition ends, as was asked.")
        if self._settings.on_failure is OnFailure.SKIP:
            self._skip(images, spot)

    def _facts_of_next(self) -> dict[str, Any]:
        """Of the image that is written next; of several cameras all have the same."""
        if not self._to_write:
            return {}
        facts: dict[str, Any] = self._to_write[0].metadata.get(LABEL, {})
        if len(self._to_write) > 1:
            self._to_write.popleft()
        return facts

    def _imaging(self, original: Callable[..., NDArray[Any]]) -> Callable[..., NDArray[Any]]:
        def get_image(*args: Any, **kwargs: Any) -> NDArray[Any]:
            frame_yx = original(*args, **kwargs)
            event = self._event
            if event is not None and self._is_asked_by_the_engine and takes_an_image(event):
                self._look_at(event, frame_yx)
            return frame_yx

        return get_image

    # Where the drive has to stand, and what is known of an image

    def _stage_um(self, event: MDAEvent) -> float:
        """Where the drive has to stand for an event: by what is known of focus, else by the plan."""
        event = images_of(event)[0]
        spot, above = self._spot_of(event), 0.0
        if not is_autofocus(event):
            above = above_um(event) + self._channel_offset_um(event)
        stage_um = self._focus.stage_um(spot, above_um=above)
        return spot.plan_um + above if stage_um is None else stage_um

    def _go_to(self, z_um: float) -> None:
        self._drive.move_to(self._limits.allowed(z_um))

    def _channel_offset_um(self, event: MDAEvent) -> float:
        offsets_um = self._settings.channel_offsets_um
        return offsets_um.get(event.channel.config, 0.0) if event.channel is not None else 0.0

    def _shows_focus(self, event: MDAEvent) -> bool:
        """Whether an image is of the light that the model knows."""
        settings = self._settings
        if settings.channel is None:
            return self._has_one_light
        return channel_of(event) == (settings.channel_group, settings.channel)

    def _look_at(self, event: MDAEvent, frame_yx: NDArray[Any]) -> None:
        spot, z_um = self._spot_of(event), self._drive.position_um()
        estimate = None
        if self._shows_focus(event):
            estimate = self._focus.look_at(spot, frame_yx, z_um=z_um, learn=self._follows)
        self._note(event, z_um=z_um, image=estimate)

    def _note(self, event: MDAEvent, *, z_um: float, image: FocusEstimate | None = None) -> None:
        about = self._focus.about(self._spot_of(event), z_um=z_um, image=image)
        event.metadata[LABEL] = about.as_metadata()

    def _spot_of(self, event: MDAEvent) -> Spot:
        x_um, y_um = event.x_pos, event.y_pos
        if (x_um is None or y_um is None) and self._core.getXYStageDevice():
            here_x_um, here_y_um = self._core.getXYPosition()
            x_um, y_um = (here_x_um if x_um is None else x_um), (here_y_um if y_um is None else y_um)
        plan_um = home_um(event)
        return Spot(
            place=place_of(event),
            time_point=time_point_of(event),
            x_um=x_um or 0.0,
            y_um=y_um or 0.0,
            plan_um=self._start_z_um if plan_um is None else plan_um,
        )

    def _spot_here(self) -> Spot:
        """Of no acquisition: somebody pressed a button."""
        self._n_by_hand += 1
        return Spot(BY_HAND, self._n_by_hand, 0.0, 0.0, self._drive.position_um())


def _in_words(spot: Spot) -> str:
    return f"position {spot.place}, time point {spot.time_point}"
