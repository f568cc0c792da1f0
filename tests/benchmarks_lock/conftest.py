"""The benchmark is a folder of scripts; its tests find them there, and the tests' light-weight microscope."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS.parent / "benchmarks" / "lock"), str(TESTS / "control")]
