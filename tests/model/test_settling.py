"""A run settles when errors fall no more, and its rest is the same schedule, only shorter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parfocal.model.settling import has_settled, shortened

PARTS = st.floats(0.01, 1)


@pytest.mark.parametrize(
    ("errors_um", "settled"),
    [
        pytest.param([1.0, 0.9, 0.8, 0.7, 0.6], False, id="too few to tell"),
        pytest.param([1.0, 0.9, 0.8, 0.7, 0.6, 0.5], False, id="falling"),
        pytest.param([5.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], True, id="flat"),
        pytest.param([0.5, 0.5, 0.5, 0.495, 0.495, 0.495], True, id="falling too slowly"),
        pytest.param([0.5, 0.5, 0.5, 0.4, 0.4, 3.0], False, id="falling, but for one outlier"),
        pytest.param([0.5, 0.1, 0.5, 0.5, 0.5, 0.5], True, id="one lucky error"),
        pytest.param([0.3, 0.3, 0.3, 0.4, 0.4, 0.4], True, id="rising"),
    ],
)
def test_three_errors_against_the_three_before(errors_um: list[float], settled: bool) -> None:
    assert has_settled(errors_um, patience=3) is settled


@given(settled_at=PARTS, cool_down=st.floats(0.01, 5))
def test_the_rest_begins_where_the_schedule_was_and_ends_at_its_end(
    settled_at: float, cool_down: float
) -> None:
    fraction, position = shortened(settled_at, settled_at=settled_at, cool_down=cool_down)
    end = min(1.0, settled_at * (1 + cool_down))
    assert fraction == pytest.approx(settled_at / end)
    assert position == pytest.approx(settled_at if settled_at < 1 else 1.0)
    assert shortened(end, settled_at=settled_at, cool_down=cool_down) == pytest.approx((1.0, 1.0))


@given(settled_at=PARTS, cool_down=st.floats(0.01, 5), done=st.tuples(PARTS, PARTS))
def test_the_rest_goes_forward_and_never_past_its_end(
    settled_at: float, cool_down: float, done: tuple[float, float]
) -> None:
    first, second = sorted(max(part, settled_at) for part in done)
    before = shortened(first, settled_at=settled_at, cool_down=cool_down)
    after = shortened(second, settled_at=settled_at, cool_down=cool_down)
    assert before[0] <= after[0] and before[1] <= after[1] <= 1 + 1e-12
    assert before[0] >= first - 1e-12  # never later than planned
