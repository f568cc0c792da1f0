"""Showcase: what the page shows now, made once for all viewers."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from html import escape
from typing import Any

from parfocal.control import LockState
from parfocal.web.board import LockBoard, Reading
from parfocal.web.gauges import belief_gauge, confidence_bar, stage_gauge
from parfocal.web.look import BAD, CALM, DOUBT, GOOD, LOOKS, MICRO, REST, signed, span
from parfocal.web.messages import Heard
from parfocal.web.replies import believed_interval_um
from parfocal.web.strip_chart import strip_chart

FRESH_S, CHART_FRESH_S = 0.2, 0.9
SHOWN_EVENTS = 40
AT_LIMIT = "the drive is at the end of its window, and the focus lies beyond"
SPANS: dict[str, float | None] = {"2 min": 120.0, "1 h": 3600.0, "all": None}
"""Of the strip chart, in seconds of camera time."""
WORDS = {
    "lost": BAD,
    "fault": BAD,
    "not locked": BAD,
    "warning": DOUBT,
    "uncertain": DOUBT,
    "searching": DOUBT,
    "at the limit": DOUBT,
    "held still": DOUBT,
    "somebody": DOUBT,
    "locked": GOOD,
    "self-check": CALM,
    "target": CALM,
}
"""Colours of events by how they begin."""


@dataclass(frozen=True)
class Shown:
    """The parts of the page as HTML, and the target in um."""

    state: str
    defocus: str
    banner: str
    stage: str
    belief: str
    trust: str
    events: str
    foot: str
    state_word: str
    target_um: float


class Showcase:
    """What the page shows now, made at most some times a second however many look.

    Parameters
    ----------
    board : LockBoard
    """

    def __init__(self, board: LockBoard) -> None:
        self._board = board
        self._making = threading.Lock()
        self._shown: tuple[float, Shown] | None = None
        self._charts: dict[str, tuple[float, dict[str, Any]]] = {}

    def now(self) -> Shown:
        """The parts as they are now, or were a moment ago."""
        with self._making:
            now_s = time.monotonic()
            if self._shown is None or now_s - self._shown[0] > FRESH_S:
                self._shown = now_s, _show(self._board.read(), self._board.events())
            return self._shown[1]

    def chart(self, name: str) -> dict[str, Any]:
        """The strip chart over one of `SPANS`; the same object until there is a newer one."""
        with self._making:
            now_s = time.monotonic()
            made = self._charts.get(name)
            if made is None or now_s - made[0] > CHART_FRESH_S:
                span_s = SPANS[name]
                speed = self._board.start.speed
                buckets = self._board.history(None if span_s is None else span_s * speed)
                made = self._charts[name] = now_s, strip_chart(self._board.read(), buckets)
            return made[1]


def _show(now: Reading, events: list[Heard]) -> Shown:
    return Shown(
        state=_state(now),
        defocus=_defocus(now),
        banner=_banner(now),
        stage=_stage(now),
        belief=belief_gauge(now) + _belief_words(now),
        trust=_trust(now),
        events=_events(events),
        foot=_foot(now),
        state_word=str(now.state),
        target_um=now.target_um,
    )


def _state(now: Reading) -> str:
    look = LOOKS[now.state]
    in_state = span(max(0.0, now.elapsed_s + now.start.began_s - now.since_s))
    told = "stopping" if now.is_stopping else look.meaning
    return (
        f'<div class="lamp {now.state}" style="color:{look.colour}">'
        f'<svg viewBox="0 0 48 48">{look.shape}</svg>'
        f"<div><b>{now.state}</b><span>{'' if now.is_over else f'for {in_state} &middot; '}{told}</span>"
        "</div></div>"
    )


def _defocus(now: Reading) -> str:
    last, interval_um = now.snapshot, believed_interval_um(now)
    if last is None or interval_um is None:
        number, ends = "?", "not known yet"
    else:
        number = signed(last.belief_um)
        ends = f"90 %: {signed(interval_um[0])} to {signed(interval_um[1])}"
    return (
        f'<div class="label">defocus <em>{ends}</em></div>'
        f'<div class="big-number">{number} <u>{MICRO}</u></div>'
    )


def _banner(now: Reading) -> str:
    if now.is_over:
        return _ending(now)
    if now.is_late:
        return _bar(
            BAD, f"No frame for {span(now.age_s)}: the camera or the drive does not answer. This is not live."
        )
    last = now.snapshot
    if last is None:
        return ""
    reason = AT_LIMIT if now.is_at_limit else last.reason
    if now.state is LockState.LOST:
        return _bar(BAD, f"Focus is lost: {reason}.")
    if now.state is LockState.UNCERTAIN or now.is_at_limit:
        return _bar(DOUBT, f"Held still: {reason}.")
    return ""


def _ending(now: Reading) -> str:
    summary = now.summary
    if summary is None:
        return _bar(BAD, "The run ended with an error.")
    rms_um, n = summary.residual_rms_um, summary.losses
    verdict = "Focus was held" if summary.held else "Focus was not held"
    left = f", {rms_um:.2f} {MICRO} RMS" if rms_um is not None else ""
    fault = f" {summary.fault}." if summary.fault else ""
    told = f"{verdict} for {span(3600 * summary.hours)}{left}, {n} {'loss' if n == 1 else 'losses'}.{fault}"
    colour = BAD if summary.fault else REST if not summary.held else GOOD
    return _bar(
        colour, f"The run is over. {told} Go on with it: parfocal lock MODEL --resume {now.start.record}"
    )


def _bar(colour: str, text: str) -> str:
    return f'<div class="notice" style="border-color:{colour};color:{colour}">{escape(text)}</div>'


def _stage(now: Reading) -> str:
    last = now.snapshot
    z = f"{last.z_um:.2f}" if last is not None else "?"
    return f'<div class="big-number small">{z} <u>{MICRO}</u></div>{stage_gauge(now)}'


def _belief_words(now: Reading) -> str:
    last = now.snapshot
    if last is None:
        return ""
    answer = f"{signed(last.defocus_um)} &plusmn; {last.std_um:.2f} {MICRO}" if last.accepted else "refused"
    layers = now.answer.layers_um if now.answer else ()
    several = (
        f" &middot; layers at {', '.join(signed(um, digits=1) for um in layers)}" if len(layers) > 1 else ""
    )
    return (
        f'<div class="between"><span><i class="key" style="background:{CALM}"></i>belief '
        f'<i class="key" style="background:#7d8b99"></i>model, last frame</span>'
        f"<b>{answer}{several}</b></div>"
    )


def _trust(now: Reading) -> str:
    settings = now.start.settings
    limits = settings.limits
    last = now.snapshot
    step = f"{limits.largest_step_um:g} {MICRO}, {limits.step_toward_um:g} toward the sample"
    near = f"{settings.tolerance_um:g}, {settings.controller.dead_band_um:g} {MICRO}"
    window = f"{limits.lowest_z_um:g} to {limits.highest_z_um:g} {MICRO}"
    return confidence_bar(now) + _table(
        {
            "window": window,
            "largest step": step,
            "travel in an hour": f"{limits.budget_um_per_h:g} {MICRO} at most",
            "tolerance, dead band": near,
            "last frame": escape(last.reason) if last else "none yet",
        }
    )


def _table(rows: dict[str, str]) -> str:
    return '<dl class="facts">' + "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in rows.items()) + "</dl>"


def _events(events: list[Heard]) -> str:
    lines = []
    for heard in events[:SHOWN_EVENTS]:
        colour = next((colour for words, colour in WORDS.items() if heard.text.startswith(words)), REST)
        at = time.strftime("%H:%M:%S", time.localtime(heard.wall_time_s))
        lines.append(
            f'<li><time>{at}</time><i style="background:{colour}"></i><span>{escape(heard.text)}</span></li>'
        )
    return f"<ul>{''.join(lines)}</ul>"


def _foot(now: Reading) -> str:
    start, last = now.start, now.snapshot
    latency = f", {last.latency_ms:.1f} ms each" if last else ""
    speed = f" &middot; {start.speed:g}x time" if start.speed != 1 else ""
    parts = (
        f"{escape(start.rig)}{speed}",
        f"{span(now.elapsed_s)} of {span(3600 * start.hours)}",
        f"{now.rate_hz:.1f} frames/s{latency}",
        f"{now.n_frames} frames, {now.n_moves} moves, {now.n_losses} losses",
        f"record {escape(start.record)}",
        f"model {escape(start.model)}",
    )
    return "".join(f"<span>{part}</span>" for part in parts)
