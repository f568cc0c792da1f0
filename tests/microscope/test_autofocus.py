"""Stock useq sequences, run by the stock engine, are brought into focus by single images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import ome_types
import pytest
import tifffile
import useq
import yaozarrs
from pymmcore_plus import CMMCorePlus
from scipy.ndimage import gaussian_filter

from parfocal.control import LimitSettings, RoutineSettings, SimulatedClock
from parfocal.errors import FocusError, LimitError
from parfocal.estimate import FocusEstimate
from parfocal.microscope import (
    AutofocusSettings,
    OnFailure,
    ParfocalAutofocus,
    measure_channel_offset,
    virtual_core,
)
from told_plate import CELLS, LIMITS, Plate, Truthful


@dataclass
class Rig:
    core: CMMCorePlus
    estimator: Truthful
    drift: Callable[[float], None] = lambda um: None
    blind: Callable[[Callable[[float, float], bool]], None] = lambda test: None
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(paced=False))
    taken: list[tuple[dict[str, int], float, useq.MDAEvent]] = field(default_factory=list)

    def run(self, sequence: useq.MDASequence, **settings: object) -> ParfocalAutofocus:
        about = AutofocusSettings(limits=LIMITS).replace(**settings)
        autofocus = ParfocalAutofocus(self.core, self.estimator, settings=about, clock=self.clock)
        self.core.mda.events.frameReady.connect(self._take)
        with autofocus:
            try:
                self.core.mda.run(sequence)
            finally:
                self.core.mda.events.frameReady.disconnect(self._take)
        return autofocus

    def _take(self, image: np.ndarray, event: useq.MDAEvent, meta: dict) -> None:
        defocus_um, _ = self.estimator._where()
        index = {str(axis): number for axis, number in event.index.items()}
        self.taken.append((index, defocus_um, meta["mda_event"]))


@pytest.fixture(params=["virtual core", "demo devices"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    plate = Plate()
    if request.param == "virtual core":
        core: CMMCorePlus = virtual_core(plate)
    else:
        core = CMMCorePlus()
        core.loadSystemConfiguration()

    def where() -> tuple[float, bool]:
        if request.param == "demo devices":
            plate.xy, plate.z_um = core.getXYPosition(), core.getZPosition()
        return plate.true_defocus_um(), not plate.blind_at(*plate.xy)

    core.mda.engine.use_hardware_sequencing = False  # which takes several time points in one go
    yield Rig(
        core,
        Truthful(where),
        drift=lambda um: setattr(plate, "drift_um", plate.drift_um + um),
        blind=lambda test: setattr(plate, "blind_at", test),
    )
    core.unloadAllDevices()


POSITIONS = [(0, 0, 0.0), (3000, 0, 0.0), (3000, 3000, 0.0)]
AUTOFOCUS = {"axes": ("p", "t")}


def test_every_position_is_in_focus_and_looked_at_once_in_a_time_point(rig: Rig) -> None:
    sequence = useq.MDASequence(
        stage_positions=POSITIONS, time_plan={"interval": 0, "loops": 3}, autofocus_plan=AUTOFOCUS
    )
    autofocus = rig.run(sequence)
    assert len(rig.taken) == 9
    assert max(abs(defocus_um) for _, defocus_um, _ in rig.taken) < 0.35
    assert len(autofocus.results) == 9
    later = [result for spot, result in autofocus.results if spot.time_point > 0]
    assert [len(result.looks) for result in later] == [1] * 6


def test_z_stacks_are_taken_about_the_focus(rig: Rig) -> None:
    sequence = useq.MDASequence(
        stage_positions=POSITIONS, z_plan={"range": 4, "step": 1}, autofocus_plan=AUTOFOCUS
    )
    rig.run(sequence)
    for index, defocus_um, _ in rig.taken:
        assert defocus_um == pytest.approx(index["z"] - 2, abs=0.35)


def test_an_offset_of_the_plan_is_held(rig: Rig) -> None:
    sequence = useq.MDASequence(
        stage_positions=POSITIONS,
        autofocus_plan={"axes": ("p",), "autofocus_motor_offset": 2.0},
    )
    rig.run(sequence)
    assert [defocus_um for _, defocus_um, _ in rig.taken] == pytest.approx([2.0] * 3, abs=0.35)


def test_what_drifts_between_time_points_is_followed_by_the_images_alone(rig: Rig) -> None:
    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 0.0)],
        time_plan={"interval": 0, "loops": 8},
        autofocus_plan={"axes": ("p",)},
    )

    def ten_minutes_later(event: useq.MDAEvent) -> None:
        rig.clock.wait_until(rig.clock.now_s() + 600)
        rig.drift(0.4)

    rig.core.mda.events.eventStarted.connect(ten_minutes_later)
    autofocus = rig.run(sequence)
    assert len(autofocus.results) == 1
    assert max(abs(defocus_um) for _, defocus_um, _ in rig.taken) < 1.0


def test_once_for_a_position_and_not_for_every_channel(rig: Rig) -> None:
    _define_channels(rig.core)
    sequence = useq.MDASequence(
        axis_order="tcpz",
        channels=[{"group": "Light", "config": "BF"}, {"group": "Light", "config": "GFP"}],
        stage_positions=POSITIONS,
        autofocus_plan={"axes": ("p", "c")},
    )
    autofocus = rig.run(sequence, channel_group="Light", channel="BF", channel_offsets_um={"GFP": 1.5})
    assert len(autofocus.results) == 3
    for index, defocus_um, _ in rig.taken:
        assert defocus_um == pytest.approx(1.5 * index["c"], abs=0.35)


@pytest.mark.parametrize("policy", [OnFailure.RETRY, OnFailure.CONTINUE])
def test_where_focus_is_not_found_the_image_says_so(rig: Rig, policy: OnFailure) -> None:
    rig.blind(lambda x_um, y_um: y_um > 100)
    sequence = useq.MDASequence(stage_positions=POSITIONS, autofocus_plan=AUTOFOCUS)
    autofocus = rig.run(sequence, on_failure=policy, routine=RoutineSettings(search=None).model_dump())
    states = [event.metadata["parfocal"]["focus_state"] for *_, event in rig.taken]
    assert states == ["focused", "focused", "failed"]
    assert "focus_defocus_um" not in rig.taken[2][2].metadata["parfocal"]
    tries = sum(not result.is_focused for _, result in autofocus.results)
    assert tries == (3 if policy is OnFailure.RETRY else 1)


def test_where_focus_is_not_found_no_image_is_taken_until_it_is(rig: Rig) -> None:
    rig.blind(lambda x_um, y_um: y_um > 100 and len(rig.taken) <= 4)
    sequence = useq.MDASequence(
        axis_order="tpz",
        time_plan={"interval": 0, "loops": 3},
        stage_positions=POSITIONS,
        z_plan={"range": 1, "step": 1},
        autofocus_plan={"axes": ("p",)},
    )
    settings = RoutineSettings(search=None).model_dump()
    rig.run(sequence, on_failure="skip", routine=settings)
    assert [index for index, *_ in rig.taken if (index["t"], index["p"]) == (0, 2)] == []
    assert len(rig.taken) == 3 * 3 * 2 - 2
    for index, defocus_um, _ in rig.taken:
        assert defocus_um == pytest.approx(index["z"] - 0.5, abs=0.35)


def test_skipped_until_a_later_time_point_even_where_the_plan_does_not_ask_again(rig: Rig) -> None:
    calls = []
    rig.blind(lambda x_um, y_um: calls.append(1) is None and len(calls) < 8)
    sequence = useq.MDASequence(
        time_plan={"interval": 0, "loops": 6},
        stage_positions=[(0, 0, 0.0)],
        autofocus_plan={"axes": ("p",)},
    )
    rig.run(sequence, on_failure="skip", routine=RoutineSettings(search=None).model_dump())
    assert 0 < len(rig.taken) < 6
    assert max(abs(defocus_um) for _, defocus_um, _ in rig.taken) < 0.35


def test_the_acquisition_ends_where_it_was_told_to(rig: Rig) -> None:
    rig.blind(lambda x_um, y_um: y_um > 100)
    sequence = useq.MDASequence(stage_positions=POSITIONS, autofocus_plan=AUTOFOCUS)
    with pytest.raises(FocusError, match=r"position \(2, 0\).*no image could be told"):
        rig.run(sequence, on_failure="abort", routine=RoutineSettings(search=None).model_dump())
    assert len(rig.taken) == 2
    assert not rig.core.mda.is_running()


def test_a_plan_that_leaves_the_window_ends_before_the_drive_moves(rig: Rig) -> None:
    sequence = useq.MDASequence(stage_positions=[(0, 0, 140.0)], autofocus_plan=AUTOFOCUS)
    with pytest.raises(LimitError, match="it goes to 140"):
        rig.run(sequence)
    assert rig.core.getZPosition() == pytest.approx(0.0)


def test_the_drive_stays_in_focus_at_the_end(rig: Rig) -> None:
    sequence = useq.MDASequence(stage_positions=POSITIONS[:1], autofocus_plan=AUTOFOCUS)
    rig.run(sequence)
    assert rig.core.getZPosition() == pytest.approx(5.0, abs=0.35)


def test_the_next_sequence_knows_what_the_last_one_learned(rig: Rig) -> None:
    autofocus = ParfocalAutofocus(rig.core, rig.estimator, settings=AutofocusSettings(limits=LIMITS))
    sequence = useq.MDASequence(stage_positions=POSITIONS, autofocus_plan=AUTOFOCUS)
    with autofocus:
        rig.core.mda.run(sequence)
        rig.core.mda.run(sequence)
    assert [len(result.looks) for _, result in autofocus.results[3:]] == [1, 1, 1]


def test_a_sequence_of_one_position_is_focused_each_time_it_is_run(rig: Rig) -> None:
    autofocus = ParfocalAutofocus(rig.core, rig.estimator, settings=AutofocusSettings(limits=LIMITS))
    sequence = useq.MDASequence(stage_positions=POSITIONS[:1], autofocus_plan=AUTOFOCUS)
    with autofocus:
        for _ in range(3):
            rig.core.mda.run(sequence)
    assert len(autofocus.results) == 3


def test_a_stack_without_a_position_in_z_is_taken_where_the_drive_stands(rig: Rig) -> None:
    rig.core.setZPosition(6.0)
    rig.core.waitForSystem()
    sequence = useq.MDASequence(
        stage_positions=[(0, 0)], z_plan={"range": 2, "step": 1}, autofocus_plan=AUTOFOCUS
    )
    limits = LimitSettings(lowest_z_um=2.0, highest_z_um=100.0)  # 0 um, where useq begins, is forbidden
    rig.run(sequence, limits=limits.model_dump())
    assert [defocus_um for _, defocus_um, _ in rig.taken] == pytest.approx([-1, 0, 1], abs=0.35)


def test_once_detached_the_core_is_as_it_was(rig: Rig) -> None:
    before = dict(vars(rig.core))
    label = rig.core.getAutoFocusDevice()
    with ParfocalAutofocus(rig.core, rig.estimator, settings=AutofocusSettings(limits=LIMITS)):
        assert rig.core.getAutoFocusDevice() == "parfocal"
        rig.core.waitForDevice("parfocal")
    assert rig.core.getAutoFocusDevice() == label
    assert vars(rig.core).keys() == before.keys()


def test_two_at_once_are_refused(rig: Rig) -> None:
    settings = AutofocusSettings(limits=LIMITS)
    with ParfocalAutofocus(rig.core, rig.estimator, settings=settings):
        second = ParfocalAutofocus(rig.core, rig.estimator, settings=settings)
        with pytest.raises(RuntimeError, match="Detach the other"):
            second.attach()
    assert rig.core.getAutoFocusDevice() != "parfocal"


def test_a_button_that_asks_for_focus_gets_it(rig: Rig) -> None:
    with ParfocalAutofocus(rig.core, rig.estimator, settings=AutofocusSettings(limits=LIMITS)):
        rig.core.fullFocus()
    assert rig.core.getZPosition() == pytest.approx(5.0, abs=0.35)


def _define_channels(core: CMMCorePlus) -> None:
    camera = core.getCameraDevice()
    for preset in ("BF", "GFP"):
        core.defineConfig("Light", preset, camera, "Exposure", "10" if preset == "BF" else "20")


def test_a_stack_that_the_hardware_steps_through_is_about_the_focus_too() -> None:
    core = Recording()
    core.loadSystemConfiguration()
    core.setProperty("Z", "UseSequences", "Yes")
    rig = Rig(core, Truthful(lambda: (core.getZPosition() - 5.0, True)))
    sequence = useq.MDASequence(
        z_plan={"range": 4, "step": 1}, stage_positions=[(0, 0, 1.0)], autofocus_plan=AUTOFOCUS
    )
    try:
        rig.run(sequence)
    finally:
        core.unloadAllDevices()
    [positions] = core.loaded
    assert positions == pytest.approx([3.0, 4.0, 5.0, 6.0, 7.0], abs=0.35)


class Recording(CMMCorePlus):
    """Remembers the positions that the hardware steps through."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[list[float]] = []

    def loadStageSequence(self, label: str, positions: list[float]) -> None:  # noqa: N802
        self.loaded.append(list(positions))
        super().loadStageSequence(label, positions)


def _run_into(path: Path) -> None:
    plate = Plate()
    plate.blind_at = lambda x_um, y_um: y_um > 100
    core = virtual_core(plate)
    estimator = Truthful(lambda: (plate.true_defocus_um(), not plate.blind_at(*plate.xy)))
    settings = AutofocusSettings(limits=LIMITS, routine=RoutineSettings(search=None), on_failure="skip")
    sequence = useq.MDASequence(
        stage_positions=POSITIONS,
        time_plan={"interval": 0, "loops": 2},
        z_plan={"range": 2, "step": 1},
        autofocus_plan=AUTOFOCUS,
    )
    with ParfocalAutofocus(core, estimator, settings=settings):
        core.mda.run(sequence, output=path)


def test_tiff_files_tell_the_focus_of_every_plane_to_other_readers(tmp_path: Path) -> None:
    _run_into(tmp_path / "plate.ome.tiff")
    first, _, skipped = sorted((tmp_path / "plate").glob("*.tiff"))
    ome = ome_types.from_tiff(first)
    notes = {note.id: dict(note.value) for note in ome.structured_annotations.map_annotations}
    planes = ome.images[0].pixels.planes
    told = [notes[plane.annotation_refs[0].id] for plane in planes]
    assert [plane["focus_state"] for plane in told] == ["focused"] * 6
    assert [float(plane["focus_defocus_um"]) for plane in told] == pytest.approx([-1, 0, 1] * 2, abs=0.35)
    assert float(told[0]["focus_move_um"]) == pytest.approx(5.0, abs=0.35)
    assert (tifffile.imread(skipped) == 0).all()  # no image where there was no focus


def test_zarr_files_tell_the_focus_of_every_plane_to_other_readers(tmp_path: Path) -> None:
    _run_into(tmp_path / "plate.ome.zarr")
    group = yaozarrs.open_group(tmp_path / "plate.ome.zarr" / "1")
    told = group.attrs["ome_writers"]["frame_metadata"]
    assert [plane["storage_index"] for plane in told] == [[t, z] for t in range(2) for z in range(3)]
    assert [plane["focus_state"] for plane in told] == ["focused"] * 6
    assert [plane["focus_defocus_um"] for plane in told] == pytest.approx([-1, 0, 1] * 2, abs=0.35)


class Fluorescent(Plate):
    """In green light it shows spots, which are sharp 1.3 um above the plane that the model knows."""

    is_green = False

    def snap(self) -> np.ndarray:
        if not self.is_green:
            return super().snap()
        blur_px = 1.0 + 2.0 * abs(self.true_defocus_um() - 1.3)
        spots = np.zeros(CELLS.shape)
        spots[16::32, 16::32] = 4000.0 * (1 + 4 * blur_px**2)
        return (100 + gaussian_filter(spots, blur_px) / blur_px).astype(np.uint16)


@pytest.fixture
def green() -> tuple[CMMCorePlus, ParfocalAutofocus, Fluorescent]:
    plate = Fluorescent()
    core = virtual_core(plate)
    _define_channels(core)
    core.events.configSet.connect(lambda group, preset: setattr(plate, "is_green", preset == "GFP"))
    core.setConfig("Light", "BF")
    settings = AutofocusSettings(limits=LIMITS, channel_group="Light", channel="BF")
    estimator = Truthful(lambda: (plate.true_defocus_um(), not plate.is_green))
    return core, ParfocalAutofocus(core, estimator, settings=settings), plate


def test_the_offset_of_a_channel_is_measured(
    green: tuple[CMMCorePlus, ParfocalAutofocus, Fluorescent],
) -> None:
    core, autofocus, plate = green
    offset = measure_channel_offset(core, autofocus, group="Light", channel="GFP")
    assert offset.um == pytest.approx(1.3, abs=0.15)
    assert offset.above_um[offset.scores.argmax()] == pytest.approx(1.5, abs=0.51)
    assert core.getCurrentConfig("Light") == "BF"
    assert abs(plate.true_defocus_um()) < 0.35


def test_a_channel_that_is_sharpest_out_of_range_is_told(
    green: tuple[CMMCorePlus, ParfocalAutofocus, Fluorescent],
) -> None:
    core, autofocus, _ = green
    with pytest.raises(FocusError, match="sharpest within"):
        measure_channel_offset(core, autofocus, group="Light", channel="GFP", half_range_um=1.0)


def test_what_the_hardware_takes_in_one_go_is_of_one_place_and_time(rig: Rig) -> None:
    rig.core.mda.engine.use_hardware_sequencing = True
    sequence = useq.MDASequence(
        axis_order="ptcz",
        time_plan={"interval": 0, "loops": 4},
        stage_positions=[(0, 0, 10.0), (3000, 0, 10.0)],
        autofocus_plan={"axes": ("p",)},
    )
    rig.run(sequence)
    assert len(rig.taken) == 8
    assert max(abs(defocus_um) for _, defocus_um, _ in rig.taken) < 0.35


class Liar(Truthful):
    """Tells the truth at first, and always the same from then on."""

    def __init__(self, where: Callable[[], tuple[float, bool]], *, since: int) -> None:
        super().__init__(where)
        self._since = since

    def estimate(self, frame_yx: np.ndarray, *, pixel_size_um: float) -> FocusEstimate:
        told = super().estimate(frame_yx, pixel_size_um=pixel_size_um)
        return told if self.n_estimates < self._since else replace(told, defocus_um=2.0)


def test_images_that_lie_lead_no_further_than_the_stage_can_be_asked(rig: Rig) -> None:
    rig.estimator = Liar(rig.estimator._where, since=14)
    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 0.0)],
        time_plan={"interval": 0, "loops": 40},
        autofocus_plan={"axes": ("p",)},
    )
    rig.core.mda.events.eventStarted.connect(lambda event: rig.clock.wait_until(rig.clock.now_s() + 60))
    rig.run(sequence, on_failure="continue", routine=RoutineSettings(search=None).model_dump())
    off_um = [abs(defocus_um) for _, defocus_um, _ in rig.taken]
    assert max(off_um) < 9.0
    assert rig.taken[-1][2].metadata["parfocal"]["focus_state"] == "failed"


def test_a_model_that_does_not_fit_moves_nothing_by_the_images_either(rig: Rig) -> None:
    where = rig.estimator._where
    rig.estimator = Truthful(lambda: (-where()[0], True))
    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 3.0)],
        time_plan={"interval": 0, "loops": 5},
        autofocus_plan={"axes": ("p", "t")},
    )
    rig.run(sequence, on_failure="continue")
    assert [defocus_um for _, defocus_um, _ in rig.taken] == pytest.approx(
        [2.0] * 5, abs=0.1
    )  # as it tells it


@pytest.mark.parametrize("of", ["setup", "position"])
def test_no_part_of_a_plan_leaves_the_window(rig: Rig, of: str) -> None:
    positions = {"x": 0, "y": 0, "z": 1}
    stage = rig.core.getFocusDevice()
    setup = None
    if of == "setup":
        setup = useq.MDAEvent(z_pos=5000)
    else:
        positions["properties"] = [(stage, "Position", 5000)]
    sequence = useq.MDASequence(stage_positions=[positions], setup=setup, autofocus_plan=AUTOFOCUS)
    try:
        rig.run(sequence)
    except LimitError as error:
        assert "it goes to 5000" in str(error)
    assert rig.core.getZPosition() < 100


def test_events_without_a_sequence_are_taken_in_focus_where_they_are(rig: Rig) -> None:
    places = [(0.0, 0.0), (3000.0, 0.0)]
    events = []
    for x, y in places:
        at = {"x_pos": x, "y_pos": y, "z_pos": 3.0}
        events += [useq.MDAEvent(action=useq.HardwareAutofocus(), **at), useq.MDAEvent(**at)]
    rig.run(iter(events))
    assert len(rig.taken) == 2
    assert max(abs(defocus_um) for _, defocus_um, _ in rig.taken) < 0.35


def test_another_plan_over_the_same_places_begins_from_its_own_positions(rig: Rig) -> None:
    autofocus = ParfocalAutofocus(rig.core, rig.estimator, settings=AutofocusSettings(limits=LIMITS))
    rig.core.mda.events.frameReady.connect(rig._take)
    with autofocus:
        rig.core.mda.run(useq.MDASequence(stage_positions=[(0, 0, 0.0)], autofocus_plan=AUTOFOCUS))
        rig.core.mda.run(useq.MDASequence(stage_positions=[(0, 0, 5.0)]))
    rig.core.mda.events.frameReady.disconnect(rig._take)
    assert [defocus_um for _, defocus_um, _ in rig.taken] == pytest.approx([0.0, 0.0], abs=0.35)
