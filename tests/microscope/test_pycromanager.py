"""Acquisitions of pycro-manager's own engine are brought into focus by single images.

Its Python back end runs here, on the virtual microscope and on Micro-Manager's demo devices. Its Java back
end calls the same hooks with the same events.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from pymmcore_plus import CMMCorePlus

from parfocal.control import Camera, FocusDrive, LimitSettings, RoutineSettings, SimulatedClock
from parfocal.errors import DeviceError, FocusError, InputError, LimitError
from parfocal.estimate import FocusEstimate
from parfocal.microscope import (
    AutofocusSettings,
    PycroManagerCamera,
    PycroManagerCore,
    PycroManagerFocus,
    PycroManagerFocusDrive,
    virtual_core,
)
from told_plate import LIMITS, Plate, Truthful, estimate

pytest.importorskip("pycromanager", reason="pycro-manager is not installed; pip install -e .[dev] does that")

from pycromanager import multi_d_acquisition_events
from pycromanager.acquisition.acq_eng_py.internal.engine import Engine
from pycromanager.acquisition.python_backend_acquisitions import PythonBackendAcquisition

AT_ZERO = 30_000
"""Grey value of an image in focus; a thousand make one um."""
POSITIONS = [(0, 0, 0.0), (3000, 0, 0.0), (3000, 3000, 0.0)]
NO_SEARCH = RoutineSettings(search=None).model_dump()


class Telling(Plate):
    """Its images tell in their first pixels how far from focus they were taken, and whether that is seen."""

    def focus_um(self) -> float:
        return 5.0 + 0.002 * self.xy[0] - 0.001 * self.xy[1] + self.drift_um

    def snap(self) -> np.ndarray:
        frame = super().snap().copy()
        frame[0, :2] = AT_ZERO + 1000 * self.true_defocus_um(), not self.blind_at(*self.xy)
        return frame


class Reader:
    """Reads it: pycro-manager hands images on in a thread of its own, when the drive may be elsewhere."""

    fingerprint, z_range_um = "reader", (-15.0, 15.0)

    def __init__(self) -> None:
        self.n_estimates = 0

    def estimate(self, frame_yx: np.ndarray, *, pixel_size_um: float) -> FocusEstimate:
        self.n_estimates += 1
        defocus_um = told_um(frame_yx)
        return estimate(defocus_um, accepted=bool(frame_yx[0, 1]) and abs(defocus_um) < 15)


def told_um(frame_yx: np.ndarray) -> float:
    return (float(frame_yx[0, 0]) - AT_ZERO) / 1000


@dataclass
class Rig:
    """A plate, pycro-manager's engine over it, and what comes out."""

    plate: Telling
    core: CMMCorePlus
    estimator: Reader = field(default_factory=Reader)
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(paced=False))
    images: dict[tuple[tuple[str, Any], ...], tuple[float, dict[str, Any]]] = field(default_factory=dict)

    def focus(self, *, target_um: float = 0.0, **settings: object) -> PycroManagerFocus:
        about = AutofocusSettings(limits=LIMITS).replace(**settings)
        core = PycroManagerCore(self.core)
        return PycroManagerFocus(core, self.estimator, settings=about, clock=self.clock, target_um=target_um)

    def run(self, focus: PycroManagerFocus, events: list[dict[str, Any]]) -> None:
        """As a user does; what its storage then has is in `images`."""
        focus.expect(events)
        with focus, PythonBackendAcquisition(**focus.hooks) as acquisition:
            acquisition.acquire(events)
        dataset = acquisition.get_dataset()
        for axes in dataset.get_image_coordinates_list():
            image, metadata = dataset.read_image(**axes), dataset.read_metadata(**axes)
            self.images[tuple(sorted(axes.items()))] = told_um(image), metadata

    def defocus_um(self, **axes: Any) -> list[float]:
        """Of the images that have these axes."""
        return [um for index, (um, _) in self.images.items() if axes.items() <= dict(index).items()]

    def facts(self) -> list[dict[str, Any]]:
        return [metadata for _, metadata in self.images.values()]


@pytest.fixture(scope="session")
def engine() -> Engine:
    """There is one in a process, for as long as that lasts."""
    Engine(None)
    return Engine.get_instance()


@pytest.fixture
def rig(engine: Engine) -> Iterator[Rig]:
    plate = Telling()
    core = virtual_core(plate)
    engine.core, engine.last_event = PycroManagerCore(core), None
    yield Rig(plate, core)
    core.unloadAllDevices()


def test_every_position_is_in_focus_and_looked_at_once_in_a_time_point(rig: Rig) -> None:
    focus = rig.focus()
    rig.run(focus, multi_d_acquisition_events(num_time_points=3, xyz_positions=POSITIONS))
    assert len(rig.images) == 9
    assert max(map(abs, rig.defocus_um())) < 0.35
    assert len(focus.results) == 9
    assert [len(result.looks) for spot, result in focus.results if spot.time_point > 0] == [1] * 6


def test_z_stacks_are_taken_about_the_focus(rig: Rig) -> None:
    plan = {"xyz_positions": POSITIONS, "z_start": -2, "z_end": 2, "z_step": 1}
    rig.run(rig.focus(), multi_d_acquisition_events(**plan))
    for z in range(5):
        assert rig.defocus_um(z=z) == pytest.approx([z - 2] * 3, abs=0.35)


def test_a_place_beside_the_focus_is_held(rig: Rig) -> None:
    rig.run(rig.focus(target_um=2.0), multi_d_acquisition_events(xyz_positions=POSITIONS))
    assert rig.defocus_um() == pytest.approx([2.0] * 3, abs=0.35)


def test_a_plan_without_z_is_focused_where_the_drive_stands(rig: Rig) -> None:
    rig.plate.z_um = 6.0
    limits = LimitSettings(lowest_z_um=2.0, highest_z_um=100.0).model_dump()
    events = multi_d_acquisition_events(num_time_points=2, xy_positions=[(0, 0), (1000, 0)])
    rig.run(rig.focus(limits=limits), events)
    assert max(map(abs, rig.defocus_um())) < 0.35


def test_each_image_says_what_is_known_of_its_focus(rig: Rig) -> None:
    plan = {"xyz_positions": POSITIONS[:1], "z_start": -1, "z_end": 1, "z_step": 1}
    rig.run(rig.focus(), multi_d_acquisition_events(**plan))
    told = rig.facts()
    assert [facts["focus_state"] for facts in told] == ["focused"] * 3
    assert [facts["focus_defocus_um"] for facts in told] == pytest.approx([-1, 0, 1], abs=0.35)
    assert [facts["focus_image_defocus_um"] for facts in told] == pytest.approx([-1, 0, 1], abs=0.35)
    assert told[0]["focus_move_um"] == pytest.approx(5.0, abs=0.35)
    assert told[0]["ZPosition_um_Intended"] == pytest.approx(4.0, abs=0.35)


def test_the_focus_of_other_positions_is_expected_there(rig: Rig) -> None:
    focus = rig.focus()
    rig.run(focus, multi_d_acquisition_events(xyz_positions=POSITIONS))
    starts_um = [result.start_z_um for _, result in focus.results]
    assert starts_um[:2] == pytest.approx([0.0, 5.0], abs=0.5)
    assert abs(starts_um[2] - 8.0) < 3.5  # where it is in focus, 8 um from where the plan has it


def test_images_of_the_light_tell_where_the_focus_goes_in_between(rig: Rig) -> None:
    focus, may_go_on = rig.focus(), threading.Semaphore(1)
    shots = [{"time": 0, "shot": shot} for shot in range(12)] + [{"time": 1, "shot": 0}]
    events = [{"axes": axes, "x": 0, "y": 0, "z": 0.0} for axes in shots]

    def wait(event: dict[str, Any]) -> dict[str, Any] | None:
        assert may_go_on.acquire(timeout=60)  # until the image before was looked at
        return focus.pre_hardware(event)

    def drift(image: np.ndarray, metadata: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        done = focus.process_image(image, metadata)
        rig.clock.wait_until(rig.clock.now_s() + 600)
        rig.plate.drift_um += 0.4
        may_go_on.release()
        return done

    focus.expect(events)
    hooks = {**focus.hooks, "pre_hardware_hook_fn": wait, "image_process_fn": drift}
    with focus, PythonBackendAcquisition(**hooks) as acquisition:
        for event in events:
            acquisition.acquire(event)
    first, second = (result for _, result in focus.results)
    assert first.z_um == pytest.approx(5.0, abs=0.35)
    assert second.start_z_um == pytest.approx(5.0 + 12 * 0.4, abs=1.0)


def test_where_it_is_sure_no_frame_is_spent_on_looking(rig: Rig) -> None:
    focus = rig.focus(sure_um=0.5)
    rig.run(focus, multi_d_acquisition_events(num_time_points=4, xyz_positions=POSITIONS))
    assert len(focus.results) == 3
    assert max(map(abs, rig.defocus_um())) < 0.5
    assert {facts["focus_state"] for facts in rig.facts()} == {"focused", "followed"}


def test_once_for_a_position_and_not_for_every_channel(rig: Rig) -> None:
    _define_channels(rig.core)
    focus = rig.focus(channel_group="Light", channel="BF", channel_offsets_um={"GFP": 1.5})
    plan = {"channel_group": "Light", "channels": ["BF", "GFP"], "order": "tcpz"}
    rig.run(focus, multi_d_acquisition_events(xyz_positions=POSITIONS, **plan))
    assert len(focus.results) == 3
    assert rig.defocus_um(channel="BF") == pytest.approx([0.0] * 3, abs=0.35)
    assert rig.defocus_um(channel="GFP") == pytest.approx([1.5] * 3, abs=0.35)
    for index, (_, facts) in rig.images.items():
        assert ("focus_image" in facts) == (dict(index)["channel"] == "BF")


def test_it_looks_in_its_own_light_and_leaves_that_of_the_images(rig: Rig) -> None:
    _define_channels(rig.core)
    looked: list[float] = []
    exposed: list[float] = []

    def look(frame_yx: np.ndarray, **about: float) -> FocusEstimate:
        looked.append(rig.core.getExposure())
        return Reader().estimate(frame_yx, **about)

    rig.estimator.estimate = look
    focus = rig.focus(channel_group="Light", channel="BF", exposure_ms=3.0, follow=False)
    events = multi_d_acquisition_events(
        xyz_positions=POSITIONS[:1], channel_group="Light", channels=["GFP"], channel_exposures_ms=[50]
    )
    focus.expect(events)
    hooks = {**focus.hooks, "post_hardware_hook_fn": lambda event: exposed.append(rig.core.getExposure())}
    with focus, PythonBackendAcquisition(**hooks) as acquisition:
        acquisition.acquire(events)
    assert set(looked) == {3.0}
    assert exposed == [50.0]


@pytest.mark.parametrize(("policy", "tries"), [("retry", 3), ("continue", 1)])
def test_where_focus_is_not_found_the_image_says_so(rig: Rig, policy: str, tries: int) -> None:
    rig.plate.blind_at = lambda x_um, y_um: y_um > 100
    focus = rig.focus(on_failure=policy, routine=NO_SEARCH)
    rig.run(focus, multi_d_acquisition_events(xyz_positions=POSITIONS))
    assert [facts["focus_state"] for facts in rig.facts()] == ["focused", "focused", "failed"]
    assert "focus_defocus_um" not in rig.facts()[2]
    assert sum(not result.is_focused for _, result in focus.results) == tries


def test_where_focus_is_not_found_no_image_is_taken_until_it_is(rig: Rig) -> None:
    focus = rig.focus(on_failure="skip", routine=NO_SEARCH)
    rig.plate.blind_at = lambda x_um, y_um: y_um > 100 and not focus.skipped
    plan = {"num_time_points": 2, "xyz_positions": POSITIONS, "z_start": -1, "z_end": 1, "z_step": 1}
    rig.run(focus, multi_d_acquisition_events(**plan))
    assert [(axes["time"], axes["position"], axes["z"]) for axes in focus.skipped] == [
        (0, 2, z) for z in range(3)
    ]
    assert len(rig.images) == 3 * 3 * 2 - 3
    for z in range(3):
        assert rig.defocus_um(z=z) == pytest.approx([z - 1] * len(rig.defocus_um(z=z)), abs=0.35)


def test_the_acquisition_ends_where_it_was_told_to(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.plate.blind_at = lambda x_um, y_um: x_um > 100
    focus = rig.focus(on_failure="abort", routine=NO_SEARCH)
    with pytest.raises(FocusError, match=r"'position': 1.*no image could be told"):
        rig.run(focus, multi_d_acquisition_events(num_time_points=3, xyz_positions=POSITIONS))
    assert len(focus.results) == 2
    assert "FocusError" in capsys.readouterr().err  # the engine prints it and goes its way


def test_a_plan_that_leaves_the_window_ends_before_the_drive_moves(rig: Rig) -> None:
    with pytest.raises(LimitError, match="it goes to 140"):
        rig.run(rig.focus(), multi_d_acquisition_events(xyz_positions=[(0, 0, 140.0)]))
    assert (rig.plate.z_um, rig.plate.n_snaps) == (0.0, 1)  # one to open the camera


def test_a_stack_that_was_not_told_of_is_refused(rig: Rig) -> None:
    events = multi_d_acquisition_events(z_start=0, z_end=4, z_step=1)
    focus = rig.focus()
    with (
        pytest.raises(InputError, match=r"Call expect\(events\)"),
        focus,
        PythonBackendAcquisition(**focus.hooks) as acquisition,
    ):
        acquisition.acquire(events)
    assert rig.plate.z_um == 0.0


def test_the_next_acquisition_knows_what_the_last_one_learned(rig: Rig) -> None:
    focus = rig.focus()
    events = multi_d_acquisition_events(xyz_positions=POSITIONS)
    rig.run(focus, events)
    rig.run(focus, events)
    assert [len(result.looks) for _, result in focus.results[3:]] == [1, 1, 1]


def test_after_a_failure_the_next_acquisition_begins_afresh(rig: Rig) -> None:
    focus = rig.focus()
    with pytest.raises(LimitError):
        rig.run(focus, multi_d_acquisition_events(xyz_positions=[(0, 0, 140.0)]))
    rig.run(focus, multi_d_acquisition_events(xyz_positions=POSITIONS))
    assert max(map(abs, rig.defocus_um())) < 0.35


def test_a_stack_that_the_hardware_steps_through_is_about_the_focus_too(engine: Engine) -> None:
    core = Recording()
    core.loadSystemConfiguration()
    core.setProperty("Z", "UseSequences", "Yes")
    engine.core, engine.last_event = PycroManagerCore(core), None
    focus = PycroManagerFocus(
        engine.core,
        Truthful(lambda: (core.getZPosition() - 5.0, True)),
        settings=AutofocusSettings(limits=LIMITS, follow=False),
    )
    plan = {"xyz_positions": [(0, 0, 1.0)], "z_start": -2, "z_end": 2, "z_step": 1}
    events = multi_d_acquisition_events(**plan)
    focus.expect(events)
    try:
        with focus, PythonBackendAcquisition(**focus.hooks) as acquisition:
            acquisition.acquire(events)
    finally:
        core.unloadAllDevices()
    [positions] = core.loaded
    assert positions == pytest.approx([3.0, 4.0, 5.0, 6.0, 7.0], abs=0.35)
    dataset = acquisition.get_dataset()
    told = [dataset.read_metadata(position=0, z=z)["focus_defocus_um"] for z in range(5)]
    assert told == pytest.approx([-2, -1, 0, 1, 2], abs=0.35)


class Recording(CMMCorePlus):
    """Remembers the positions that the hardware steps through."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[list[float]] = []

    def loadStageSequence(self, label: str, positions: list[float]) -> None:  # noqa: N802
        self.loaded.append(list(positions))
        super().loadStageSequence(label, positions)


# Without the engine


def test_an_engine_that_takes_the_drive_to_be_there_already_is_put_right(rig: Rig) -> None:
    focus = rig.focus()
    event = focus.pre_hardware({"axes": {"time": 0}, "x": 0.0, "y": 0.0, "z": 0.0})
    rig.plate.z_um = -7.0
    focus.post_hardware(event)
    assert rig.plate.z_um == pytest.approx(event["z"])


def test_the_end_of_an_acquisition_is_passed_on(rig: Rig) -> None:
    end = {"special": "acquisition-end"}
    focus = rig.focus()
    assert focus.pre_hardware(end) is end
    assert focus.post_hardware(end) is end


def test_an_image_that_nobody_announced_is_left_as_it_is(rig: Rig) -> None:
    image, metadata = rig.plate.snap(), {"Axes": {"time": 4}}
    assert rig.focus().process_image(image, metadata) == (image, metadata)


class FromJava:
    """A core as the bridge to Java gives it: images are one long row, errors a plain Exception."""

    def __init__(self, core: CMMCorePlus) -> None:
        self._core = PycroManagerCore(core)
        self.is_broken = False

    def __getattr__(self, name: str) -> Any:
        if self.is_broken and name in ("snap_image", "get_position", "set_position"):
            raise Exception("mmcorej: Error in device")
        return getattr(self._core, name)

    def get_image(self) -> np.ndarray:
        return self._core.get_image().ravel()


@pytest.mark.parametrize(
    "wrap", [lambda core: core, PycroManagerCore, FromJava], ids=["plus", "python", "java"]
)
def test_any_core_gives_a_camera_and_a_focus_drive(rig: Rig, wrap: Any) -> None:
    camera, drive = PycroManagerCamera(wrap(rig.core)), PycroManagerFocusDrive(wrap(rig.core))
    assert isinstance(camera, Camera)
    assert isinstance(drive, FocusDrive)
    assert (camera.pixel_size_um, camera.snap().shape) == (0.24, (128, 128))
    drive.move_to(7.0)
    drive.stop()
    assert drive.position_um() == 7.0


def test_whatever_comes_over_the_bridge_is_a_failure_of_the_device(rig: Rig) -> None:
    core = FromJava(rig.core)
    camera, drive = PycroManagerCamera(core), PycroManagerFocusDrive(core)
    core.is_broken = True
    for act in (camera.snap, drive.position_um, lambda: drive.move_to(1.0)):
        with pytest.raises(DeviceError, match="Error in device"):
            act()


def _define_channels(core: CMMCorePlus) -> None:
    camera = core.getCameraDevice()
    for preset in ("BF", "GFP"):
        core.defineConfig("Light", preset, camera, "Exposure", "10" if preset == "BF" else "20")
