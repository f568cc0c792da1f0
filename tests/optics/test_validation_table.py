"""The page's table of checks cannot go stale."""

from __future__ import annotations

import pytest
from validation_table import Check, check_of, checks_in_tests, rows_in_page


def test_the_page_has_the_checks_and_the_tolerances_of_the_tests() -> None:
    in_page = [(name, allowed) for name, _, allowed in rows_in_page()]
    assert in_page == [(check.name, check.allowed) for check in checks_in_tests()]


def test_what_the_page_says_was_measured_is_allowed() -> None:
    for check, (_, value, _) in zip(checks_in_tests(), rows_in_page(), strict=True):
        assert check.holds(float(value.removesuffix(check.unit))), check.name


def test_a_check_has_a_tolerance_or_a_margin() -> None:
    assert check_of("a", tolerance=0.1).holds(0.1) and not check_of("a", tolerance=0.1).holds(0.2)
    assert check_of("a", least=0.1).holds(0.1) and not check_of("a", least=0.1).holds(0.05)
    assert check_of("a", least=3, unit="%") == Check("a", 3, "%", is_margin=True)
    with pytest.raises(ValueError, match="both or none"):
        check_of("a")
