"""Makes the modules of benchmarks/plate importable, as they are to one another."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "plate"))
