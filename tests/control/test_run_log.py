import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import numpy as np
import pytest

from parfocal.control import LockSnapshot, LockState, RecordSettings, RunLog
from parfocal.errors import InputError, OutputError


def snapshot(k: int, **changes) -> LockSnapshot:
    values = {
        "t_s": k / 20,
        "wall_time_s": 1e9 + k,
        "z_um": 100.0 + k,
        "defocus_um": 0.5,
        "std_um": 0.3,
        "in_distribution": 0.9,
        "accepted": True,
        "latency_ms": 2.0,
        "belief_um": 0.4,
        "belief_sd_um": 0.2,
        "state": LockState.LOCKED,
        "move_um": 0.0,
        "reason": "within the dead band",
        "true_defocus_um": 0.45,
    }
    return LockSnapshot(**{**values, **changes})


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "new" / "run.sqlite"
    settings = {"seed": 3, "lock": {"limits": {"lowest_z_um": 0.5}}}
    frames = [snapshot(0), snapshot(1, true_defocus_um=None, accepted=False, state=LockState.LOST)]
    with RunLog.create(path, settings=settings, model_fingerprint="abc") as log:
        log.event(0.0, "started")
        for frame in frames:
            log.append(frame)
    record = RunLog.open(path)
    assert record.settings() == settings
    assert record.model_fingerprint == "abc"
    assert [(event.t_s, event.text) for event in record.events()] == [(0.0, "started")]
    assert list(record.snapshots()) == frames
    columns = record.frames()
    np.testing.assert_array_equal(columns["z_um"], [100.0, 101.0])
    np.testing.assert_array_equal(columns["true_focus_z_um"], [99.55, np.nan])
    assert columns["accepted"].dtype == np.bool_
    assert list(columns["state"]) == ["locked", "lost"]
    assert [file.name for file in path.parent.iterdir()] == ["run.sqlite"]


def test_a_record_without_frames_reads_as_empty_columns(tmp_path):
    RunLog.create(tmp_path / "run", settings={}, model_fingerprint="").close()
    columns = RunLog.open(tmp_path / "run").frames()
    assert {column.shape for column in columns.values()} == {(0,)}


def test_a_record_is_never_overwritten(tmp_path):
    path = tmp_path / "run.sqlite"
    path.write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        RunLog.create(path, settings={}, model_fingerprint="")
    assert path.read_text() == "precious"


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        RunLog.create(tmp_path / "file" / "run", settings={}, model_fingerprint="")


def another_database(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE frames (t_s)")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("not a database, and long enough not to be taken for an empty one" * 9),
        lambda path: path.mkdir(),
        another_database,
    ],
    ids=["missing", "empty", "text", "folder", "another database"],
)
def test_what_is_not_a_run_record_is_refused(tmp_path, write):
    path = tmp_path / "run.sqlite"
    write(path)
    with pytest.raises(InputError, match=r"run\.sqlite"):
        RunLog.open(path)


def test_a_record_can_be_read_while_it_is_written(tmp_path):
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="") as log:
        log.append(snapshot(0))
        log.event(0.0, "locked")
        assert len(RunLog.open(tmp_path / "run").frames()["t_s"]) == 1


WRITE_FOREVER = """
    import sys, time
    from parfocal.control import LockSnapshot, LockState, RecordSettings, RunLog
    log = RunLog.create(sys.argv[1], settings={"seed": 1}, model_fingerprint="abc")
    start = time.monotonic()
    while True:
        t_s = time.monotonic() - start
        log.append(LockSnapshot(t_s, t_s, 0, 0, 0, 1, True, 0, 0, 0, LockState.LOCKED, 0, ""))
        print(t_s, flush=True)
        time.sleep(0.01)
"""


def test_a_killed_process_costs_the_last_second_at_most(tmp_path):
    path = tmp_path / "run"
    command = [sys.executable, "-c", textwrap.dedent(WRITE_FOREVER), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        last_s = 0.0
        while last_s < 2.4:
            last_s = float(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        last_s = max([last_s, *map(float, process.stdout.read().splitlines())])
    assert not RunLog.open(path).has_end
    columns = RunLog.open(path).frames()
    # A commit comes with the first frame after a second; a busy machine may stretch that by a little.
    assert columns["t_s"][-1] > last_s - 1.5
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def images_of(path):
    return [(image.number, image.snapshot.t_s) for image in RunLog.open(path).images()]


@pytest.mark.parametrize(
    "frame_yx",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4),
        np.random.default_rng(1).integers(0, 65536, (5, 7), np.uint16)[:, ::2],
        np.float32([[0.5, -np.inf]]),
    ],
    ids=["8 bit", "16 bit, not contiguous", "floats"],
)
def test_a_kept_image_is_what_the_camera_gave(tmp_path, frame_yx):
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="") as log:
        log.append(snapshot(0), frame_yx)
    (image,) = RunLog.open(tmp_path / "run").images()
    assert (image.number, image.snapshot) == (1, snapshot(0))
    assert image.frame_yx.dtype == frame_yx.dtype
    np.testing.assert_array_equal(image.frame_yx, frame_yx)


FRAME = np.zeros((2, 2), np.uint8)


def test_images_are_kept_now_and_then_and_when_the_state_changes(tmp_path):
    states = {40: LockState.LOST, 45: LockState.UNCERTAIN, 70: LockState.LOST, 700: LockState.LOCKED}
    state = LockState.LOCKED
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="") as log:
        for second in range(1400):
            state = states.get(second, state)
            log.append(snapshot(second, t_s=float(second), state=state), FRAME)
    record = RunLog.open(tmp_path / "run")
    assert [t_s for _, t_s in images_of(tmp_path / "run")] == [0, 40, 50, 70, 670, 700, 1300]
    assert [number for number, _ in images_of(tmp_path / "run")] == [1, 41, 51, 71, 671, 701, 1301]
    assert record.n_images == 7
    assert record.last_image().number == 1301


def test_a_lock_that_flaps_keeps_an_image_every_ten_seconds_at_most(tmp_path):
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="") as log:
        for k in range(2000):
            log.append(snapshot(k, state=LockState.LOST if k % 2 else LockState.LOCKED), FRAME)
    times_s = [t_s for _, t_s in images_of(tmp_path / "run")]
    assert len(times_s) > 5
    assert min(np.diff(times_s)) >= 10


def test_a_lock_that_flaps_for_a_day_keeps_twelve_images_an_hour_and_those_that_are_due_anyway(tmp_path):
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="") as log:
        for k in range(24 * 360):
            state = LockState.LOST if k % 2 else LockState.LOCKED
            log.append(snapshot(k, t_s=10.0 * k, state=state), FRAME)
    times_s = np.array([t_s for _, t_s in images_of(tmp_path / "run")])
    assert len(times_s) <= 24 * (6 + 12) + 12
    assert max(np.diff(times_s)) <= 600


def test_no_images_are_kept_where_none_are_wanted(tmp_path):
    keep = RecordSettings(keep_image_every_s=0)
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="", keep=keep) as log:
        for k in range(3):
            log.append(snapshot(1000 * k, state=list(LockState)[k]), FRAME)
    record = RunLog.open(tmp_path / "run")
    assert (record.n_frames, record.n_images, record.last_image()) == (3, 0, None)


def without_images(path):
    """A record as it was before there were images."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE images")


def test_a_record_from_before_there_were_images_opens_and_goes_on(tmp_path):
    path = tmp_path / "run"
    with RunLog.create(path, settings={}, model_fingerprint="") as log:
        log.append(snapshot(0))
    without_images(path)
    record = RunLog.open(path)
    assert (record.n_images, list(record.images()), record.last_image()) == (0, [], None)
    assert list(record.snapshots()) == [snapshot(0)]
    with RunLog.go_on(path, settings={}) as log:
        log.append(snapshot(1), FRAME)
    assert images_of(path) == [(2, 0.05)]


def test_a_record_goes_on_where_it_ended(tmp_path):
    path = tmp_path / "run"
    with RunLog.create(path, settings={"hours": 1}, model_fingerprint="abc") as log:
        log.append(snapshot(0), FRAME)
    with RunLog.go_on(path, settings={"hours": 2}) as log:
        log.append(snapshot(1), FRAME)  # too soon for another image
        log.append(snapshot(20 * 600), FRAME)
    record = RunLog.open(path)
    assert list(record.snapshots()) == [snapshot(0), snapshot(1), snapshot(20 * 600)]
    assert images_of(path) == [(1, 0.0), (3, 600.0)]
    assert (record.settings(), record.model_fingerprint) == ({"hours": 2}, "abc")
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_two_do_not_write_one_record(tmp_path):
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="") as log:
        with pytest.raises(InputError, match="another process is writing it"):
            RunLog.go_on(tmp_path / "run", settings={"from": "the other"})
        log.append(snapshot(0))
    assert RunLog.open(tmp_path / "run").settings() == {}
    assert RunLog.open(tmp_path / "run").n_frames == 1


def test_a_record_with_other_columns_does_not_go_on(tmp_path):
    RunLog.create(tmp_path / "run", settings={}, model_fingerprint="").close()
    with closing(sqlite3.connect(tmp_path / "run")) as connection:
        connection.execute("ALTER TABLE frames ADD COLUMN mood TEXT")
    with pytest.raises(InputError, match="Begin another run"):
        RunLog.go_on(tmp_path / "run", settings={})


def test_a_record_is_read_from_its_end_too(tmp_path):
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="") as log:
        for k in range(3):
            log.append(snapshot(k))
    assert list(RunLog.open(tmp_path / "run").last_first()) == [snapshot(2), snapshot(1), snapshot(0)]
