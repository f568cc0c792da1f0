import csv
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import numpy as np
import pytest

from parfocal.control import LockSnapshot, LockState, RunLog
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


def test_a_table_is_exported(tmp_path):
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="") as log:
        log.append(snapshot(0, true_defocus_um=None))
    RunLog.open(tmp_path / "run").export_csv(tmp_path / "run.csv")
    with (tmp_path / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["z_um"], row["state"], row["true_defocus_um"]) for row in rows] == [("100.0", "locked", "")]


def test_an_export_to_nowhere_is_an_output_error(tmp_path):
    RunLog.create(tmp_path / "run", settings={}, model_fingerprint="").close()
    with pytest.raises(OutputError):
        RunLog.open(tmp_path / "run").export_csv(tmp_path / "no such folder" / "run.csv")


def test_a_record_can_be_read_while_it_is_written(tmp_path):
    with RunLog.create(tmp_path / "run", settings={}, model_fingerprint="") as log:
        log.append(snapshot(0))
        log.event(0.0, "locked")
        assert len(RunLog.open(tmp_path / "run").frames()["t_s"]) == 1


WRITE_FOREVER = """
    import sys, time
    from parfocal.control import LockSnapshot, LockState, RunLog
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
    columns = RunLog.open(path).frames()
    # A commit comes with the first frame after a second; a busy machine may stretch that by a little.
    assert columns["t_s"][-1] > last_s - 1.5
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
