"""Every example runs, with a small setting; those on real images where the images are at hand.

The gallery is drawn whole, of three planes each at the lowest quality.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parfocal.optics import PRESETS

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("PARFOCAL_REAL_DATA", ROOT.parent / "shared" / "data")) / "real"
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))

# What each example is given: made from a scratch folder and the small model.
ARGUMENTS: dict[str, Callable[[Path, Path], list[object]]] = {
    "channel_offset.py": lambda scratch, model: [],
    "focus_in_files.py": lambda scratch, model: ["--out", scratch / "files"],
    "focus_once.py": lambda scratch, model: [],
    "follow_between.py": lambda scratch, model: [],
    "gallery.py": lambda scratch, model: ["--out", scratch, "--only", "empty", "--planes", 1],
    "own_rig.py": lambda scratch, model: ["--minutes", 1, "--time-points", 1],
    "pycro_manager_hook.py": lambda scratch, model: ["--time-points", 1],
    "plate_surface.py": lambda scratch, model: ["--hours", 1, "--out", scratch / "surface.png"],
    "real_yeast.py": lambda scratch, model: [
        model,
        REAL / "yeast-brightfield-5plane",
        *("--only", "prime95b"),
    ],
    "scan_device.py": lambda scratch, model: ["--rows", 3, "--columns", 20],
    "stock_acquisition.py": lambda scratch, model: [],
    "wafer_table.py": lambda scratch, model: [
        REAL / "wafer-reflected-signed",
        *("--out", scratch / "table.csv"),
    ],
    "whole_experiment.py": lambda scratch, model: ["--out", scratch / "plate"],
}

NEEDS = {"pycro_manager_hook.py": "pycromanager"}
"""Examples that need a program which parfocal does not."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str, trained: Path, tmp_path: Path) -> None:
    assert name in ARGUMENTS, f"say in {Path(__file__).name} what to run {name} with"
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed; pip install -e .[dev] does that")
    arguments = ARGUMENTS[name](tmp_path, trained)
    for argument in arguments:
        if isinstance(argument, Path) and argument.is_relative_to(REAL) and not argument.exists():
            pytest.skip(f"the real images are not at {argument}; PARFOCAL_REAL_DATA says where they are")
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_example_begins_with_a_title_and_prose() -> None:
    for name in EXAMPLES:
        title, blank, *prose = (ROOT / "examples" / name).read_text("utf-8").splitlines()
        assert title.startswith('"""') and title.endswith((".", "?"))
        assert (blank, bool(prose[0])) == ("", True)


GALLERY = runpy.run_path(str(ROOT / "examples" / "gallery.py"))
SHOWN = ROOT / "docs" / "gallery"


@pytest.mark.parametrize("name", GALLERY["SUBJECTS"])
def test_the_gallery_shows_a_specimen_in_every_plane(name: str, tmp_path: Path) -> None:
    GALLERY["main"](["--out", str(tmp_path), "--quality", "ci", "--planes", "3", "--only", name])
    [path] = tmp_path.iterdir()
    picture = np.asarray(Image.open(path).convert("L"), float)
    height = len(picture)
    for frame in (picture[:, :height], picture[: height // 2, height:], picture[height // 2 :, height:]):
        middle = frame[frame.shape[0] // 4 : -frame.shape[0] // 6]  # without what is written
        assert middle.std() > 8
        assert np.mean((middle > 5) & (middle < 250)) > 0.5


def test_the_gallery_says_in_one_line_that_its_folder_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file", "utf-8")
    with pytest.raises(SystemExit) as end:
        GALLERY["main"](["--out", str(tmp_path / "taken"), "--only", "empty"])
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "expected a folder" in line and "taken" in line


def test_every_preset_has_a_picture_and_every_picture_its_words() -> None:
    names = set(GALLERY["SUBJECTS"])
    assert PRESETS.keys() <= names
    assert {path.name for path in SHOWN.iterdir()} == {f"{name}.jpg" for name in names}
    words = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    assert not [name for name in names if f"(gallery/{name}.jpg)" not in words]


def test_the_pictures_are_small() -> None:
    sizes = [path.stat().st_size for path in SHOWN.iterdir()]
    assert max(sizes) < 120_000
    assert sum(sizes) < 1_200_000
