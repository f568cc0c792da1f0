import builtins
import csv

import pytest
from pyarrow import parquet
from test_run_log import snapshot

from parfocal.control import LockState, RunLog, RunRecord, export_table, run_table
from parfocal.errors import InputError, OutputError

FRAMES = [
    snapshot(0),
    snapshot(1, true_defocus_um=None, accepted=False, defocus_um=float("nan"), reason='said "no", twice'),
    snapshot(2, state=LockState.LOST, move_um=-1.25),
]


@pytest.fixture
def record(tmp_path) -> RunRecord:
    with RunLog.create(tmp_path / "run", settings={"seed": 3}, model_fingerprint="abc") as log:
        for frame in FRAMES:
            log.append(frame)
    return RunLog.open(tmp_path / "run")


def as_text(value) -> str:
    return "" if value is None else str(int(value) if isinstance(value, bool) else value)


def test_a_table_has_a_row_for_each_frame(record, tmp_path):
    export_table(record, tmp_path / "run.csv")
    with (tmp_path / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["z_um"], row["state"], row["true_defocus_um"]) for row in rows] == [
        ("100.0", "locked", "0.45"),
        ("101.0", "locked", ""),
        ("102.0", "lost", "0.45"),
    ]


def test_parquet_holds_what_the_csv_holds_and_the_facts_of_the_run(record, tmp_path, monkeypatch):
    monkeypatch.setattr(run_table, "AT_ONCE", 2)  # more than one piece
    export_table(record, tmp_path / "run.csv")
    export_table(record, tmp_path / "run.parquet")
    table = parquet.read_table(tmp_path / "run.parquet")
    with (tmp_path / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: as_text(value) for name, value in row.items()} for row in table.to_pylist()] == rows
    assert table["accepted"].to_pylist() == [True, False, True]
    assert table["defocus_um"].null_count == 1
    assert table.schema.metadata[b"model_fingerprint"] == b"abc"


def test_a_run_without_frames_is_an_empty_table(tmp_path):
    RunLog.create(tmp_path / "run", settings={}, model_fingerprint="").close()
    export_table(RunLog.open(tmp_path / "run"), tmp_path / "run.parquet")
    assert parquet.read_table(tmp_path / "run.parquet").num_rows == 0


def test_without_pyarrow_it_says_what_to_install(record, tmp_path, monkeypatch):
    real = builtins.__import__

    def without_pyarrow(name, *rest):
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(InputError, match=r"pip install 'parfocal\[parquet\]'"):
        export_table(record, tmp_path / "run.parquet")
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_another_ending_is_refused(record, tmp_path):
    with pytest.raises(InputError, match=r"run\.xlsx: expected a name that ends in \.csv or \.parquet"):
        export_table(record, tmp_path / "run.xlsx")


@pytest.mark.parametrize("name", ["run.csv", "run.parquet"])
def test_an_export_to_nowhere_is_an_output_error(record, tmp_path, name):
    with pytest.raises(OutputError):
        export_table(record, tmp_path / "no such folder" / name)
