"""Runs a whole useq experiment with the learned focus, and goes on with one: ``parfocal acquire-run``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus
from useq import AxesBasedAF, MDAEvent, MDASequence

from parfocal.control.acquisition_focus import AcquisitionFocus, Spot
from parfocal.control.acquisition_record import AXES, AcquisitionRecord, Part
from parfocal.control.clock import Clock, SimulatedClock
from parfocal.control.focus_result import FocusResult
from parfocal.errors import InputError
from parfocal.estimate import Estimator
from parfocal.microscope.micromanager.autofocus import ParfocalAutofocus
from parfocal.microscope.micromanager.autofocus_settings import AutofocusSettings
from parfocal.microscope.micromanager.focus_writing import LABEL
from parfocal.microscope.micromanager.planned_event import above_um, parts_of, position_at, takes_an_image
from parfocal.microscope.micromanager.rest_of_sequence import (
    index_of,
    is_complete,
    n_complete,
    outer_axis,
    rest_of,
)
from parfocal.microscope.micromanager.simulated_time import hurried

RECORD = "focus.sqlite"
MUST_BE_THE_SAME = {"model_fingerprint": "model", "source": "microscope"}
"""Of the facts, where they are known."""
OFF_UM = 1.0
"""An image whose own answer is surely further from where it was meant to be was not in focus."""
FORMATS = {"zarr": "ome.zarr", "tiff": "ome.tiff"}


@dataclass(frozen=True)
class AcquisitionSummary:
    """How an acquisition went.

    Attributes
    ----------
    n_images, n_skipped, n_missing : int
        Taken, not taken for want of focus, and planned but not come to.
    n_off : int
        Images that say themselves that they were taken elsewhere than they were meant to be.
    states : mapping of str to int
        Images of each state, see `parfocal.control.FocusState`.
    n_looks, n_visits : int
        Frames that were looked at to focus, and places times time points.
    folder : str
    files : tuple of str
    """

    n_images: int
    n_skipped: int
    n_missing: int
    n_off: int
    states: Mapping[str, int]
    n_looks: int
    n_visits: int
    folder: str
    files: tuple[str, ...]

    @property
    def all_in_focus(self) -> bool:
        """Whether every image that was planned was taken where the focus was seen or followed."""
        return not (self.n_skipped or self.n_missing or self.n_off) and self.states.keys() <= {
            "focused",
            "followed",
        }


def read_sequence(path: Path) -> MDASequence:
    """A useq sequence from a YAML or JSON file, with an autofocus plan if it had none.

    Raises
    ------
    InputError
        If there is no such file, or it is no such sequence.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Expected a useq sequence (YAML or JSON).")
    try:
        sequence = MDASequence.from_file(path)
        if sequence.autofocus_plan is None:
            sequence = sequence.replace(autofocus_plan=AxesBasedAF(axes=("t", "p", "g")))
    except (ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path}: is no useq sequence that can be focused: {said}") from error
    return sequence


def run_acquisition(
    core: CMMCorePlus,
    estimator: Estimator,
    sequence: MDASequence,
    *,
    settings: AutofocusSettings,
    folder: Path,
    clock: Clock,
    pixel_size_um: float | None = None,
    facts: Mapping[str, Any] | None = None,
    file_format: str = "zarr",
    resume: bool = False,
    watch: Callable[[int, int], None] | None = None,
) -> AcquisitionSummary:
    """Run an experiment, or what is left of one, and keep a record of its focus.

    Parameters
    ----------
    core : CMMCorePlus
    estimator : Estimator
    sequence : MDASequence
    settings : AutofocusSettings
    folder : Path
        Gets ``images-001.ome.zarr``, one more for each time it is gone on with, and ``focus.sqlite``.
    clock : Clock
    pixel_size_um : float, optional
        By default what the core says.
    facts : mapping, optional
        What else the record should know, as plain values.
    file_format : str
        ``zarr``, or ``tiff``, which is whole only if the acquisition ends as planned.
    resume : bool
        Go on in a folder that an acquisition began: the time point, or the position, at which it was cut off
        is taken anew.
    watch : callable, optional
        Is told after every image how many there are, and how many there will be.

    Raises
    ------
    InputError
        If the folder is in use, or has no acquisition of this sequence to go on with.
    FocusError
        If the acquisition was to end where focus is not found, and did.
    DeviceError, LimitError, OutputError
    """
    _refuse_unknown_channels(core, sequence, settings)
    autofocus = ParfocalAutofocus(
        core, estimator, settings=settings, clock=clock, pixel_size_um=pixel_size_um
    )
    record, part, rest = _opened(
        sequence, folder=folder, file_format=file_format, resume=resume, facts=facts or {}
    )
    try:
        if rest is not None:
            record.begin_part(part)
            _remember(autofocus.focus, record, sequence, clock)
            n_planned = sum(takes_an_image(event) for event in sequence)
            with (
                hurried(core, rest, clock) as plan,
                _recorded(core, autofocus, record, part, n_planned=n_planned, watch=watch),
            ):
                core.mda.run(plan, output=folder / part.path)
        return summary_of(record, folder, n_planned=sum(takes_an_image(event) for event in sequence))
    finally:
        record.close()


def summary_of(record: AcquisitionRecord, folder: Path, *, n_planned: int) -> AcquisitionSummary:
    """How an acquisition went so far; of an image that was taken twice, the later counts."""
    last = {tuple(image[axis] for axis in AXES): image for image in record.images()}
    taken = [image for image in last.values() if image["taken"]]
    return AcquisitionSummary(
        n_images=len(taken),
        n_skipped=len(last) - len(taken),
        n_missing=n_planned - len(last),
        n_off=sum(map(_is_off, taken)),
        states=dict(Counter(image["focus_state"] for image in taken)),
        n_looks=record.n_looks(),
        n_visits=len({(image["t"], image["p"], image["g"]) for image in last.values()}),
        folder=str(folder),
        files=tuple(part.path for part in record.parts()),
    )


def _is_off(image: Mapping[str, Any]) -> bool:
    """Whether an image says itself that it was not taken where it was meant to be."""
    if image["focus_image"] != "accepted":
        return False
    off_um = abs(image["focus_image_defocus_um"] - image["planned_defocus_um"])
    return bool(off_um > OFF_UM + 2 * image["focus_image_std_um"])


def _refuse_unknown_channels(core: CMMCorePlus, sequence: MDASequence, settings: AutofocusSettings) -> None:
    wanted = {(channel.group, channel.config) for part in parts_of(sequence) for channel in part.channels}
    if settings.channel_group and settings.channel:
        wanted.add((settings.channel_group, settings.channel))
    for group, preset in sorted(wanted):
        there = core.getAvailableConfigs(group) if group in core.getAvailableConfigGroups() else ()
        if preset not in there:
            known = [f"{g} {p}" for g in core.getAvailableConfigGroups() for p in core.getAvailableConfigs(g)]
            raise InputError(
                f"Expected channels of the microscope's configuration, got {group} {preset}. It has: "
                f"{', '.join(known) or 'none'}."
            )


def _opened(
    sequence: MDASequence, *, folder: Path, file_format: str, resume: bool, facts: Mapping[str, Any]
) -> tuple[AcquisitionRecord, Part, MDASequence | None]:
    """The record, the part that begins now, and what is left to be taken."""
    plan = sequence.model_dump(mode="json", exclude_unset=True)
    if not resume:
        folder.mkdir(parents=True, exist_ok=True)
        record = AcquisitionRecord.create(folder / RECORD, facts={**facts, "sequence": plan})
        return record, Part(1, f"images-001.{FORMATS[file_format]}"), sequence
    record = AcquisitionRecord(folder / RECORD)
    known = record.facts()
    same = {"sequence": plan, **{name: facts[name] for name in MUST_BE_THE_SAME if name in facts}}
    for name, now in same.items():
        if known.get(name) != now:
            record.close()
            what = MUST_BE_THE_SAME.get(name, name)
            raise InputError(
                f"{folder}: was begun with another {what}. Expected the same one to go on with; or take "
                "another folder."
            )
    done = {index_of(image) for image in record.images()}
    n_done = n_complete(sequence, done)
    number = len(record.parts()) + 1
    path = f"images-{number:03d}.{FORMATS[file_format]}"
    rest = None if is_complete(sequence, done) else rest_of(sequence, n_done=n_done)
    return record, Part(number, path, outer_axis(sequence), n_done), rest


def _remember(
    focus: AcquisitionFocus, record: AcquisitionRecord, sequence: MDASequence, clock: Clock
) -> None:
    """Learn again what the images of earlier parts told. In a simulation that world is gone."""
    if isinstance(clock, SimulatedClock):
        return
    ago_s = time.time() - clock.now_s()
    for image in record.images():
        position = position_at(sequence, image["p"])
        if image["focus_image"] == "accepted" and position is not None and position.z is not None:
            spot = Spot(
                (image["p"], image["g"]), image["t"], image["x_um"] or 0.0, image["y_um"] or 0.0, position.z
            )
            focus.remember(
                spot,
                t_s=image["wall_time"] - ago_s,
                focus_z_um=image["z_um"] - image["focus_image_defocus_um"],
                std_um=image["focus_image_std_um"],
            )


@contextmanager
def _recorded(
    core: CMMCorePlus,
    autofocus: ParfocalAutofocus,
    record: AcquisitionRecord,
    part: Part,
    *,
    n_planned: int,
    watch: Callable[[int, int], None] | None,
) -> Iterator[None]:
    """With the autofocus attached, and every image and focusing in the record."""
    n_images = len({index_of(image) for image in record.images()})

    def note(event: MDAEvent, *, taken: bool) -> None:
        nonlocal n_images
        n_images += 1
        about = {**event.metadata.get(LABEL, {}), **_place_of(core, event)}
        about["planned_defocus_um"] = autofocus.focus.target_um + above_um(event)
        record.add_image(part, event.index, taken=taken, about=about)
        if watch is not None:
            watch(min(n_images, n_planned), n_planned)

    def take(image: NDArray[Any], event: MDAEvent, meta: object) -> None:
        note(event, taken=True)

    def focused(spot: Spot, result: FocusResult) -> None:
        index = {"t": spot.time_point, "p": spot.place[0], "g": spot.place[1]}
        looks = [asdict(look) for look in result.looks]
        record.add_focusing(part, index, z_um=result.z_um, outcome=result.outcome.name, looks=looks)

    autofocus.on_focus = focused
    autofocus.on_skip = lambda event: note(event, taken=False)
    core.mda.events.frameReady.connect(take)
    try:
        with autofocus:
            yield
    finally:
        core.mda.events.frameReady.disconnect(take)


def _place_of(core: CMMCorePlus, event: MDAEvent) -> dict[str, Any]:
    x_um, y_um = core.getXYPosition() if core.getXYStageDevice() else (None, None)
    channel = event.channel.config if event.channel is not None else None
    return {"x_um": x_um, "y_um": y_um, "z_um": core.getZPosition(), "channel": channel}
