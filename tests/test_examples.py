"""Every example runs, with a small setting; those on real images where the images are at hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("PARFOCAL_REAL_DATA", ROOT.parent / "shared" / "data")) / "real"
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))

# What each example is given: made from a scratch folder and the small model.
ARGUMENTS: dict[str, Callable[[Path, Path], list[object]]] = {
    "real_yeast.py": lambda scratch, model: [
        model,
        REAL / "yeast-brightfield-5plane",
        *("--only", "prime95b"),
    ],
    "wafer_table.py": lambda scratch, model: [
        REAL / "wafer-reflected-signed",
        *("--out", scratch / "table.csv"),
    ],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str, trained: Path, tmp_path: Path) -> None:
    assert name in ARGUMENTS, f"say in {Path(__file__).name} what to run {name} with"
    arguments = ARGUMENTS[name](tmp_path, trained)
    for argument in arguments:
        if isinstance(argument, Path) and argument.is_relative_to(REAL) and not argument.exists():
            pytest.skip(f"the real images are not at {argument}; PARFOCAL_REAL_DATA says where they are")
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_example_begins_with_a_title_and_prose() -> None:
    for name in EXAMPLES:
        title, blank, *prose = (ROOT / "examples" / name).read_text("utf-8").splitlines()
        assert title.startswith('"""') and title.endswith((".", "?"))
        assert (blank, bool(prose[0])) == ("", True)
