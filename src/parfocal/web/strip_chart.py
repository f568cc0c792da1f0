"""The strip chart of the page, for Plotly: stage and focus, what is left of the defocus, and the states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from parfocal.control import LockState
from parfocal.web.board import Reading
from parfocal.web.history import Bucket
from parfocal.web.look import CALM, GOOD, LOOKS

INK, FAINT, GRID, TRUE = "#e6edf3", "#8b98a5", "#1f2933", "#ff9d5c"
MOST_POINTS = 300
"""As a screen shows, and as a phone draws in no time."""
UNITS = (("s", 1.0, 180.0), ("min", 60.0, 10_800.0), ("h", 3600.0, math.inf))


def strip_chart(now: Reading, buckets: Sequence[Bucket]) -> dict[str, Any]:
    """A figure as Plotly takes it.

    Parameters
    ----------
    now : Reading
    buckets : sequence of Bucket
        Oldest first.
    """
    shown = _thinned(buckets)
    began_s = now.start.began_s
    span_s = shown[-1].t_s - shown[0].t_s if shown else 0.0
    unit, in_s, _ = next(choice for choice in UNITS if span_s <= choice[2])
    t = [round((bucket.t_s - began_s) / in_s, 4) for bucket in shown]
    tolerance = now.start.settings.tolerance_um
    traces = [
        _line(t, [b.z_um for b in shown], "stage", INK, width=2.2, y="y"),
        _line(t, [b.focus_z_um for b in shown], "focus", CALM, width=1.2, y="y"),
        _line(t, [b.most_um for b in shown], "", CALM, width=0, y="y2"),
        {**_line(t, [b.least_um for b in shown], "", CALM, width=0, y="y2"), **_FILL},
        _line(t, [b.error_um for b in shown], "believed", CALM, width=1.6, y="y2"),
    ]
    if any(math.isfinite(bucket.true_error_um) for bucket in shown):
        traces.append(_line(t, [b.true_error_um for b in shown], "true", TRUE, width=1.1, y="y2"))
    traces.append(_ribbon(t, shown))
    return {
        "data": traces,
        "layout": _layout(unit, tolerance, most_um=_reach(shown, tolerance)),
        "config": {"displayModeBar": False, "responsive": True},
    }


_FILL = {"fill": "tonexty", "fillcolor": "rgba(108,182,255,.25)"}


def _thinned(buckets: Sequence[Bucket]) -> list[Bucket]:
    """Every n-th, with the extremes and the gravest state of those between."""
    n = -(-len(buckets) // MOST_POINTS) if buckets else 1
    if n == 1:
        return list(buckets)
    thin = []
    for k in range(0, len(buckets), n):
        stretch = buckets[k : k + n]
        one = Bucket(**{name: getattr(stretch[0], name) for name in Bucket.__slots__})
        for bucket in stretch[1:]:
            one.add(bucket)
        thin.append(one)
    return thin


def _line(
    t: list[float], values: list[float], name: str, colour: str, *, width: float, y: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": t,
        "y": [round(value, 3) if math.isfinite(value) else None for value in values],
        "name": name,
        "yaxis": y,
        "line": {"color": colour, "width": width},
        "showlegend": bool(name),
        "hoverinfo": "y+name" if name else "skip",
    }


def _ribbon(t: list[float], shown: Sequence[Bucket]) -> dict[str, Any]:
    """The states as a ribbon of their colours, a bar for each stretch of one state."""
    stretches = groupby(zip(shown, t, strict=True), key=_state_of)
    runs = [(state, next(iter(stretch))[1]) for state, stretch in stretches]
    begins = [begin for _, begin in runs]
    widths = [after - begin for begin, after in pairwise([*begins, t[-1] if t else 0.0])]
    return {
        "type": "bar",
        "x": begins,
        "y": [1] * len(runs),
        "yaxis": "y3",
        "offset": 0,
        "width": [round(width, 4) for width in widths],
        "marker": {"color": [LOOKS[state].colour for state, _ in runs], "line": {"width": 0}},
        "text": [state.value for state, _ in runs],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
    }


def _state_of(one: tuple[Bucket, float]) -> LockState:
    return one[0].state


def _reach(shown: Sequence[Bucket], tolerance_um: float) -> float:
    """Half the height of the lower panel: twice the tolerance, or more where there was more of late."""
    farthest = max((max(abs(b.least_um), abs(b.most_um)) for b in shown), default=0.0)
    return max(2 * tolerance_um, min(1.15 * farthest, 15 * tolerance_um))


def _layout(unit: str, tolerance_um: float, *, most_um: float) -> dict[str, Any]:
    axis = {"gridcolor": GRID, "zeroline": False, "tickfont": {"color": FAINT}, "linecolor": GRID}
    um = "\N{MICRO SIGN}m"

    def title(text: str) -> dict[str, Any]:
        return {"text": text, "font": {"color": FAINT, "size": 12}, "standoff": 6}

    return {
        "autosize": True,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "size": 12, "family": "ui-sans-serif, system-ui, sans-serif"},
        "margin": {"l": 58, "r": 12, "t": 26, "b": 38},
        "uirevision": "kept",
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "#121a23", "bordercolor": GRID, "font": {"color": INK}},
        "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "traceorder": "normal"},
        "bargap": 0,
        "xaxis": {**axis, "anchor": "y3", "title": title(f"time since the start ({unit})"), "nticks": 8},
        "yaxis": {**axis, "domain": [0.47, 1.0], "title": title(f"position ({um})"), "nticks": 7},
        "yaxis2": {
            **axis,
            "domain": [0.08, 0.42],
            "title": title(f"off target ({um})"),
            "range": [-most_um, most_um],
            "nticks": 5,
        },
        "yaxis3": {"domain": [0.0, 0.03], "visible": False, "range": [0, 1], "fixedrange": True},
        "shapes": [
            {
                "type": "rect",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "yref": "y2",
                "y0": -tolerance_um,
                "y1": tolerance_um,
                "fillcolor": GOOD,
                "opacity": 0.12,
                "line": {"width": 0},
                "layer": "below",
            },
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "yref": "y2",
                "y0": 0,
                "y1": 0,
                "line": {"color": INK, "width": 1, "dash": "dot"},
                "layer": "below",
            },
        ],
    }
