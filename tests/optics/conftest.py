"""Physics checks: each measured value is held against its tolerance, and may be written into the page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from validation_table import check_of, checks_in_tests, write_page

VALUES = pytest.StashKey[dict[str, float]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-validation", action="store_true", help="write measured values into the page")


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(VALUES, {})


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("write_validation", default=False):
        return
    values = session.config.stash[VALUES]
    missing = [check.name for check in checks_in_tests() if check.name not in values]
    if missing:
        raise pytest.UsageError(f"run all of tests/optics to write the page; not measured: {missing}")
    write_page(values)


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Holds a value against its tolerance, or its least value, and keeps the worst of each check."""
    values = request.config.stash.setdefault(VALUES, {})

    def hold(
        *,
        check: str,
        value: float,
        tolerance: float | None = None,
        least: float | None = None,
        unit: str = "",
    ) -> None:
        limit = check_of(check, tolerance=tolerance, least=least, unit=unit)
        values[check] = limit.worse(values.get(check, float(value)), float(value))
        assert limit.holds(value), f"{check}: {limit.written(value)}, allowed {limit.allowed}"

    return hold
