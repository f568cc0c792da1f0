"""Where and from what a number was made: processor, commit, date."""

from __future__ import annotations

import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import parfocal

PACKAGE = Path(parfocal.__file__).parent


def provenance() -> dict[str, str]:
    """Processor, commit, date (UTC) and version, as a record of results holds them."""
    return {
        "processor": processor(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "package_version": version("parfocal"),
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def commit() -> str:
    """The commit of the package, ``-dirty`` where it was changed since; "unknown" outside a repository."""
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    said = subprocess.run(describe, cwd=PACKAGE, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
