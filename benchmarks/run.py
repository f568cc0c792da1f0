"""All benchmarks, one after the other, each with its table.

Numbers of different machines or moments do not compare: a busy neighbour multiplies times by 5 to 15. What
is to be compared is measured in turns, within one benchmark.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import torch

HERE = Path(__file__).parent
MADE_BEFORE = [
    [HERE / "focus" / "leaderboard.py", "--table"],
    [HERE / "lock" / "hold.py", "--table"],
    [HERE / "plate" / "plate.py", "--table"],
]
"""Their rows take hours: what is there is shown."""


def processor() -> str:
    """The processor's name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main() -> int:
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{processor()}, {os.cpu_count()} cores{load}")
    print(f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}")
    failed = []
    scripts = [[script] for script in sorted(HERE.glob("*.py")) if script.name != Path(__file__).name]
    for command in [*MADE_BEFORE, *scripts]:
        name = Path(command[0]).name
        print(f"\n== {name}", flush=True)
        start = time.perf_counter()
        if subprocess.run([sys.executable, *map(str, command)], check=False).returncode:
            failed.append(name)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
