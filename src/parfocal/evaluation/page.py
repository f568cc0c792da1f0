"""What pages of results share: how numbers are written, the style, and figures inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from parfocal.evaluation.figures import display_name

_NOTHING = "–"  # noqa: RUF001
_MINUS = "−"  # noqa: RUF001


def um(value: float | None, *, like: float | None = None) -> str:
    """Write a length for people, as finely as means something.

    Parameters
    ----------
    value : float or None
        The length, in um.
    like : float, optional
        Write it as finely as this one; by default as itself.

    Examples
    --------
    >>> um(0.1234), um(12.34), um(-0.0123), um(None)
    ('0.12 µm', '12.3 µm', '−0.012 µm', '–')
    """
    if value is None:
        return _NOTHING
    size = abs(value if like is None else like)
    digits = 3 if size < 0.02 else 2 if size < 9.95 else 1
    return f"{value:.{digits}f} µm".replace("-", _MINUS)


def percent(value: float | None) -> str:
    """Write a fraction for people; 0 and 100 only where they are exact.

    Examples
    --------
    >>> percent(0.5), percent(0.9996), percent(1.0), percent(0.0004)
    ('50 %', '99.9 %', '100 %', '0.1 %')
    """
    if value is None:
        return _NOTHING
    share = 100 * value
    if 0 < share < 1 or 99 < share < 100:
        return f"{min(max(share, 0.1), 99.9):.1f} %"
    return f"{share:.0f} %"


def um_range(ends: Sequence[float] | None) -> str:
    """Write an interval of lengths; empty without one.

    Examples
    --------
    >>> um_range([0.0123, 0.2]), um_range(None)
    ('0.01 to 0.20 µm', '')
    """
    if ends is None:
        return ""
    widest = max(map(abs, ends))
    low, high = (um(end, like=widest) for end in ends)
    return f"{low.removesuffix(' µm')} to {high}"


def percent_range(ends: Sequence[float] | None) -> str:
    """Write an interval of fractions; empty without one.

    Examples
    --------
    >>> percent_range([0.5, 0.75])
    '50 to 75 %'
    """
    return "" if ends is None else f"{percent(ends[0]).removesuffix(' %')} to {percent(ends[1])}"


def points(value: float) -> str:
    """Write a difference of fractions in percentage points.

    Examples
    --------
    >>> points(-0.0123), points(0.0)
    ('−1.2 points', '0.0 points')
    """
    return f"{100 * value + 0.0:.1f} points".replace("-", _MINUS)


def points_range(ends: Sequence[float] | None) -> str:
    """Write an interval of such differences; empty without one.

    Examples
    --------
    >>> points_range([-0.01, 0.02])
    '−1.0 to 2.0 points'
    """
    return "" if ends is None else f"{points(ends[0]).removesuffix(' points')} to {points(ends[1])}"


def in_depths(metrics: Mapping[str, Any], key: str) -> str:
    """Write a length of a block of metrics in depths of field; empty where the depth is unknown."""
    if metrics["dof_um"] is None or metrics[key] is None:
        return ""
    return f"{metrics[key] / metrics['dof_um']:.2f} depths of field"


def page_template(name: str) -> Template:
    """A page that knows how to write lengths and shares."""
    environment = Environment(
        loader=PackageLoader("parfocal", "evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(um=um, percent=percent, um_range=um_range, percent_range=percent_range)
    environment.filters.update(points=points, points_range=points_range, display_name=display_name)
    return environment.get_template(name)


def data_uri(path: Path) -> str:
    """An SVG or PNG file as an address that holds it."""
    kind = {".svg": "svg+xml", ".png": "png"}[path.suffix]
    return f"data:image/{kind};base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _unbroken(value: Any) -> Any:
    """No line ends between a number and its unit."""
    if not isinstance(value, str):
        return value
    return value.replace(" µm", "\N{NO-BREAK SPACE}µm").replace(" %", "\N{NO-BREAK SPACE}%")
