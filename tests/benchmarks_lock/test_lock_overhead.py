"""The loop's own cost: what is measured, and how it is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import overhead
import pytest
from idle_devices import NoiseCamera, NumberDrive, SwayingFocus, Timed
from overhead import main, memory_over, own_times_ms


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "SHAPE_YX", (64, 64))


def test_the_loops_own_time_is_that_of_each_frame_by_both_clocks() -> None:
    own_ms = own_times_ms(rate_hz=2000.0, frames=40)
    assert own_ms.shape == (40, 2) and np.all(own_ms > 0) and np.median(own_ms) < 50


def test_camera_and_estimate_are_counted_together_and_frames_differ() -> None:
    drive = NumberDrive()
    timed = Timed(NoiseCamera((8, 8), pixel_size_um=0.24), SwayingFocus(drive))
    first, second = timed.snap(), timed.snap()
    spent_s = timed.spent.wall_s
    assert not np.array_equal(first, second) and spent_s > 0
    timed.estimate(second, pixel_size_um=0.24)
    assert timed.spent.wall_s > spent_s


def test_memory_is_sampled_from_the_beginning_to_the_end() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells the memory of a process so")
    told = memory_over(60)
    assert told["frames"][0] == 0 and told["frames"][-1] == 60
    assert len(told["frames"]) == len(told["resident_mib"]) and min(told["resident_mib"]) > 10


def test_what_was_measured_is_printed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop = {"rate_hz": 20.0, "frames": 1200, "p50_ms": 0.2, "p99_ms": 0.9, "largest_ms": 3.0}
    told = {
        **{"processor": "a processor", "commit": "0123456789", "date": "2018-03-16"},
        "loop": [{**loop, "p50_cpu_ms": 0.2, "p99_cpu_ms": 0.3}],
        "memory": {"frames": [0, 500, 1000, 1500], "resident_mib": [90.0, 100.0, 100.0, 100.001]},
        "sustained": {"tiny": {"hz": 240.0, "per_processor_s": 250.0}},
    }
    file = tmp_path / "overhead.json"
    assert main(["--table", "--results", str(file)]) == 2
    file.write_text(json.dumps(told), "utf-8")
    assert main(["--table", "--results", str(file)]) == 0
    said = capsys.readouterr().out
    assert "| 20 | 1200 | 0.200 | 0.900 | 3.00 | 0.200 | 0.300 |" in said
    assert "| 1500 | 100.0 | 100.0 | 100.0 | +2.00 |" in said and "| tiny | 240 | 250 |" in said
