"""The table of checks in docs/how-the-light-is-simulated.md: what the tests measure, and what they allow."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parents[1] / "docs" / "how-the-light-is-simulated.md"
BEGIN = "<!-- the checks: written by `pytest tests/optics --write-validation` -->"
END = "<!-- end of the checks -->"
HEADER = "| Check | Measured | Allowed |\n|---|---|---|\n"


@dataclass(frozen=True)
class Check:
    """A name, and the most (or, for a margin, the least) that its value may be."""

    name: str
    bound: float
    unit: str = ""
    is_margin: bool = False

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.is_margin else value <= self.bound

    def worse(self, one: float, other: float) -> float:
        return min(one, other) if self.is_margin else max(one, other)

    @property
    def allowed(self) -> str:
        return f"{'≥' if self.is_margin else '≤'} {self.written(self.bound)}"

    def written(self, value: float) -> str:
        return f"{value:.2g} {self.unit}".strip().replace("e-0", "e-")


def check_of(
    check: str, *, tolerance: float | None = None, least: float | None = None, unit: str = ""
) -> Check:
    """The check of a test's call of `measured`, which gives a tolerance or a least value."""
    if (tolerance is None) == (least is None):
        raise ValueError(f"expected a tolerance or a least value for '{check}', got both or none")
    return (
        Check(check, tolerance, unit) if tolerance is not None else Check(check, least, unit, is_margin=True)
    )


def checks_in_tests() -> tuple[Check, ...]:
    """All checks, read from the sources, so that one test sees those of every file."""
    checks = [check for path in sorted(TESTS.rglob("test_*.py")) for check in _checks_in(path)]
    names = [check.name for check in checks]
    if len(set(names)) < len(names):
        raise ValueError(f"expected every check once, got {sorted(n for n in names if names.count(n) > 1)}")
    return tuple(checks)


def _checks_in(path: Path) -> list[Check]:
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    ours = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "measured"]
    ours.sort(key=lambda call: call.lineno)
    written = [{word.arg: word.value for word in call.keywords if word.arg != "value"} for call in ours]
    return [check_of(**{name: ast.literal_eval(value) for name, value in words.items()}) for words in written]


def rows_in_page() -> list[tuple[str, str, str]]:
    """Check, measured value and allowed value of each row of the page."""
    between = PAGE.read_text("utf-8").split(BEGIN)[1].split(END)[0]
    rows = [line for line in between.splitlines() if line.startswith("| ")][1:]
    return [tuple(cell.strip() for cell in row.strip("|").split(" | ")) for row in rows]


def write_page(values: Mapping[str, float]) -> None:
    """Writes the table of values by the name of their check; all checks are needed."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    rows = [f"| {c.name} | {c.written(values[c.name])} | {c.allowed} |\n" for c in checks_in_tests()]
    PAGE.write_text(f"{before}{BEGIN}\n{HEADER}{''.join(rows)}{END}{after}", "utf-8")
