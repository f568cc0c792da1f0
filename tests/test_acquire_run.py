"""A whole useq experiment in focus: by one command, with a record, and gone on with after it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import mm_test_adapters
import pytest
import useq
import yaozarrs

from command_line import Parfocal
from parfocal.control import AcquisitionRecord, LimitSettings, WallClock
from parfocal.errors import InputError, LimitError
from parfocal.microscope import (
    AcquisitionSummary,
    AutofocusSettings,
    read_sequence,
    run_acquisition,
    virtual_core,
)
from parfocal.microscope.micromanager.rest_of_sequence import index_of, is_complete, n_complete, rest_of
from told_plate import LIMITS, Plate, Truthful

DEMO_CONFIG = Path(mm_test_adapters.device_adapter_path()) / "MMConfig_demo.cfg"
PLATE = """
stage_positions:
- {x: 0, y: 0, name: A1}
- {x: 20, y: 0, name: A2}
time_plan: {interval: 300, loops: 2}
z_plan: {range: 2, step: 1}
autofocus_plan: {axes: [p, t]}
"""
SIMULATED = ("--simulate", "yeast-40x", "--speed", 300)


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    path = tmp_path / "plate.yaml"
    path.write_text(PLATE, encoding="utf-8")
    return path


def test_a_plate_of_the_virtual_microscope_is_taken_in_focus(parfocal: Parfocal, plate: Path) -> None:
    done = parfocal("acquire-run", plate, "--model", "bright-field", *SIMULATED, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    folder = plate.with_name("plate-focused")
    assert (said["n_images"], said["n_skipped"], said["states"]) == (12, 0, {"focused": 12})
    assert said["n_visits"] == 4
    assert said["files"] == ["images-001.ome.zarr"]
    record = AcquisitionRecord(folder / "focus.sqlite")
    images = record.images()
    assert [image["focus_state"] for image in images] == ["focused"] * 12
    assert record.facts()["settings"]["on_failure"] == "retry"
    told = yaozarrs.open_group(folder / "images-001.ome.zarr" / "A2").attrs["ome_writers"]["frame_metadata"]
    assert [plane["focus_state"] for plane in told] == ["focused"] * 6


def test_a_folder_in_use_is_refused(parfocal: Parfocal, plate: Path, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "something").touch()
    command = ("acquire-run", plate, "--model", "bright-field", *SIMULATED, "--out", folder)
    refused = parfocal(*command)
    assert (refused.code, refused.complaint.count("--resume")) == (2, 1)
    none_there = parfocal(*command, "--resume")
    assert none_there.code == 2 and "Expected the record of an acquisition" in none_there.complaint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("stage_positions: [[", "no useq sequence", id="no YAML"),
        pytest.param("time_plan: {interval: -}", "no useq sequence", id="a value that is none"),
        pytest.param("z_plan: {bottom: 0, top: 3, step: 1}", "Absolute Z", id="absolute z"),
        pytest.param("metadata: {parfocal: 3}", "expected names and values, got 3", id="no settings"),
        pytest.param("channels: [BF, GFP]", "got Channel BF. It has: none", id="channels that are not there"),
        pytest.param("metadata: {parfocal: {on_failure: hope}}", "on_failure", id="an unknown policy"),
        pytest.param("metadata: {parfocal: {channle: BF}}", "channle", id="an unknown setting"),
    ],
)
def test_a_sequence_that_cannot_be_taken_is_refused_in_one_line(
    parfocal: Parfocal, plate: Path, text: str, said: str
) -> None:
    plate.write_text(text, encoding="utf-8")
    refused = parfocal("acquire-run", plate, "--model", "bright-field", *SIMULATED)
    assert refused.code == 2
    assert said in refused.complaint
    assert len(refused.err.strip().splitlines()) == 1


def test_a_start_that_fails_leaves_the_folder_free(plate: Path, tmp_path: Path) -> None:
    plate.write_text("stage_positions: [{x: 0, y: 0, z: 1}]", encoding="utf-8")
    with pytest.raises(LimitError, match="between 50"):
        taken(plate, tmp_path / "images", limits=LimitSettings(lowest_z_um=50.0, highest_z_um=60.0))
    assert taken(plate, tmp_path / "images").all_in_focus


def test_a_plan_that_never_asks_for_focus_is_not_called_in_focus(plate: Path, tmp_path: Path) -> None:
    plate.write_text(
        "{stage_positions: [{x: 0, y: 0, z: 1}, {x: 9000, y: 0, z: 1}], autofocus_plan: {axes: [t]}}",
        encoding="utf-8",
    )
    summary = taken(plate, tmp_path / "images")
    assert summary.n_images == 2 and not summary.all_in_focus


def test_channels_taken_now_and_then_keep_their_rhythm_when_gone_on_with() -> None:
    sequence = useq.MDASequence(
        time_plan={"interval": 0, "loops": 9},
        channels=[{"config": "BF"}, {"config": "GFP", "acquire_every": 3}],
    )
    indices = [index_of(event.index) for event in sequence]
    assert n_complete(sequence, [index for index in indices if index[0] < 5]) == 3
    assert not is_complete(sequence, indices[:-1]) and is_complete(sequence, indices)


def test_a_plan_with_its_times_inside_a_position_is_not_gone_on_with_in_silence() -> None:
    inside = {"x": 0, "y": 0, "sequence": {"time_plan": {"interval": 0, "loops": 10}}}
    sequence = useq.MDASequence(stage_positions=[inside])
    done = [index_of(event.index) for event in sequence][:6]
    assert not is_complete(sequence, done)
    with pytest.raises(InputError, match="its own time plan or its positions"):
        rest_of(sequence, n_done=n_complete(sequence, done))


def test_another_model_or_microscope_is_not_gone_on_with(plate: Path, tmp_path: Path) -> None:
    plate.write_text("stage_positions: [{x: 0, y: 0, z: 1}]", encoding="utf-8")
    taken(plate, tmp_path / "images", facts={"model_fingerprint": "one"})
    with pytest.raises(InputError, match="another model"):
        taken(plate, tmp_path / "images", resume=True, facts={"model_fingerprint": "other"})


def test_real_devices_need_limits(parfocal: Parfocal, plate: Path) -> None:
    refused = parfocal("acquire-run", plate, "--model", "bright-field", "--config", DEMO_CONFIG)
    assert refused.code == 2
    assert "--lowest-z" in refused.complaint


KILLED = textwrap.dedent("""
    import sys
    from pathlib import Path
    sys.path[:0] = {paths!r}
    from test_acquire_run import taken
    taken(Path({sequence!r}), Path({folder!r}), watch=lambda n, of: print(n, flush=True))
""")


def taken(
    sequence: Path,
    folder: Path,
    *,
    resume: bool = False,
    watch: Callable[[int, int], None] | None = None,
    limits: LimitSettings = LIMITS,
    facts: dict[str, str] | None = None,
) -> AcquisitionSummary:
    """An acquisition of a microscope without optics, by a model that knows the truth."""
    plate = Plate()
    core = virtual_core(plate)
    core.mda.engine.use_hardware_sequencing = False
    return run_acquisition(
        core,
        Truthful(lambda: (plate.true_defocus_um(), True)),
        read_sequence(sequence),
        settings=AutofocusSettings(limits=limits),
        facts=facts,
        folder=folder,
        clock=WallClock(),
        resume=resume,
        watch=watch,
    )


@pytest.mark.parametrize(
    ("plan", "outer", "kill_after"),
    [
        pytest.param("time_plan: {interval: 0.4, loops: 4}", "t", 7, id="in a time point"),
        pytest.param("axis_order: ptcz", "p", 4, id="at a position"),
    ],
)
def test_an_acquisition_that_was_killed_goes_on(
    plate: Path, tmp_path: Path, plan: str, outer: str, kill_after: int
) -> None:
    text = PLATE.replace("y: 0, name", "y: 0, z: 1, name")
    lines = [line for line in text.splitlines() if "time_plan" not in line]
    plate.write_text("\n".join([*lines, plan]), encoding="utf-8")
    folder, here = tmp_path / "images", Path(__file__).parent
    script = KILLED.format(
        paths=[str(here), str(here / "microscope")], sequence=str(plate), folder=str(folder)
    )
    first = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    with first.stdout as told:
        while int(told.readline()) < kill_after:
            pass
        os.kill(first.pid, signal.SIGKILL)
    first.wait()
    summary = taken(plate, folder, resume=True)
    assert summary.n_images == (24 if outer == "t" else 6)
    assert summary.files == ("images-001.ome.zarr", "images-002.ome.zarr")
    record = AcquisitionRecord(folder / "focus.sqlite")
    part = record.parts()[1]
    assert (part.axis, part.first) == (outer, kill_after // 6 if outer == "t" else 1)
    of_part = [image for image in record.images() if image["part"] == 2]
    looks_then = [len(looks) for number, looks in record.focusings() if number == 2]
    assert looks_then[0] <= 12 and set(looks_then[1:]) <= {1}  # what was learned is known; the model checked
    record.close()
    assert min(image[outer] for image in of_part) == part.first
    assert {image["focus_state"] for image in of_part} == {"focused"}


def test_one_that_is_complete_has_nothing_left_to_take(plate: Path, tmp_path: Path) -> None:
    plate.write_text("stage_positions: [{x: 0, y: 0, z: 1}]", encoding="utf-8")
    first = taken(plate, tmp_path / "images")
    assert first == taken(plate, tmp_path / "images", resume=True)
    assert (first.n_images, first.all_in_focus, first.files) == (1, True, ("images-001.ome.zarr",))


def test_another_plan_is_not_gone_on_with(plate: Path, tmp_path: Path) -> None:
    plate.write_text("stage_positions: [{x: 0, y: 0, z: 1}]", encoding="utf-8")
    taken(plate, tmp_path / "images")
    plate.write_text("stage_positions: [{x: 0, y: 0, z: 2}]", encoding="utf-8")
    with pytest.raises(InputError, match="was begun with another sequence"):
        taken(plate, tmp_path / "images", resume=True)
