"""The gauges of the page as SVG: the stage in its window, the belief, the confidence, the scale bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from parfocal.web.board import Reading
from parfocal.web.look import BAD, CALM, DOUBT, GOOD, round_step, signed
from parfocal.web.picture import PLASMA
from parfocal.web.replies import believed_interval_um

INK, FAINT, RAIL = "#e6edf3", "#7d8b99", "#2a3440"
FAMILIAR, STRANGE = 0.5, 0.05
"""Scores from which on a frame counts as like those of the training, or unlike them, in words only."""
WIDE, HIGH = 520, 168
"""Of the belief, in its own units."""
Scale = Callable[[float], float]
"""From um to a place in the drawing."""


def stage_gauge(now: Reading) -> str:
    """The stage position within its window, upright, with the believed focus beside it."""
    limits = now.start.settings.limits
    low, high = limits.lowest_z_um, limits.highest_z_um

    def y(z_um: float) -> float:
        return 392 - 364 * min(max((z_um - low) / (high - low), -0.01), 1.01)

    parts = [
        f'<rect x="50" y="28" width="14" height="364" rx="3" fill="{RAIL}"/>',
        '<rect x="50" y="28" width="14" height="18" rx="3" fill="url(#end)"/>'
        '<rect x="50" y="374" width="14" height="18" rx="3" fill="url(#end)"/>',
        *_ticks(low, high, y),
    ]
    last, interval_um = now.snapshot, believed_interval_um(now)
    if last is not None:
        if interval_um is not None:
            ends = [y(last.z_um - um) for um in interval_um]
            top, tall = min(ends), max(abs(ends[0] - ends[1]), 3)
            label = min(max(top + tall / 2 + 4, 44), 384)  # clear of the words at the ends
            parts.append(
                f'<rect x="67" y="{top:.1f}" width="6" height="{tall:.1f}" rx="2" fill="{CALM}"/>'
                f'<text x="78" y="{label:.1f}" class="gl" fill="{CALM}">focus</text>'
            )
        at = y(last.z_um)
        parts.append(
            f'<path d="M50 {at:.1f}L36 {at - 9:.1f}V{at + 9:.1f}z" fill="{INK}"/>'
            f'<path d="M50 {at:.1f}h14" stroke="{INK}" stroke-width="3"/>'
        )
    return (
        '<svg viewBox="0 0 124 420" class="gauge" role="img" aria-label="stage position in its window">'
        '<defs><pattern id="end" width="6" height="6" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><path d="M0 0v6" stroke="{BAD}" stroke-width="5"/></pattern></defs>'
        f'<g class="gl" text-anchor="middle" fill="{FAINT}"><text x="57" y="16">toward sample</text>'
        f'<text x="57" y="412">away</text></g>{"".join(parts)}</svg>'
    )


def _ticks(low: float, high: float, y: Scale) -> Iterator[str]:
    step = round_step((high - low) / 5)
    first = math.ceil(low / step)
    for k in range(first, math.floor(high / step) + 1):
        at = y(k * step)
        yield (
            f'<path d="M44 {at:.1f}h6" stroke="{FAINT}"/>'
            f'<text x="30" y="{at + 4:.1f}" class="gl" text-anchor="end" fill="{FAINT}">{k * step:g}</text>'
        )


def belief_gauge(now: Reading) -> str:
    """The belief as a distribution over the defocus, with target and tolerance, above the model's answer."""
    target_um, tolerance_um = now.target_um, now.start.settings.tolerance_um
    last, interval_um = now.snapshot, believed_interval_um(now)
    reach_um = 3 * tolerance_um
    if last is not None and interval_um is not None:
        reach_um = max(reach_um, *(abs(um - target_um) * 1.1 for um in interval_um))
    reach_um = _steady(reach_um)

    def x(um: float) -> float:
        return WIDE / 2 + (um - target_um) / reach_um * WIDE / 2

    base = HIGH - 26
    left, right = x(target_um - tolerance_um), x(target_um + tolerance_um)
    parts = [
        f'<rect x="{left:.1f}" y="8" width="{right - left:.1f}" height="{base - 8}" fill="{GOOD}" '
        'fill-opacity=".13"/>',
        f'<path d="M0 {base}H{WIDE}" stroke="{RAIL}" stroke-width="2"/>',
        *_belief_axis(target_um, reach_um, x, base),
        *_answer_bars(now, x, base),
    ]
    if last is not None and interval_um is not None:
        parts.append(_bell(last.belief_um, max(last.belief_sd_um, reach_um / 150), x, base))
        a, b = (x(um) for um in interval_um)
        parts.append(f'<path d="M{a:.1f} {base - 3}H{b:.1f}" stroke="{CALM}" stroke-width="5"/>')
    parts.append(f'<path d="M{WIDE / 2} 4V{base}" stroke="{INK}" stroke-width="2" stroke-dasharray="5 4"/>')
    return f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="belief">{"".join(parts)}</svg>'


def _steady(reach_um: float) -> float:
    """The next of 1, 2, 5, ...: a scale that changes seldom."""
    below = round_step(reach_um)
    if below >= reach_um * 0.999:
        return below
    return next(below * k for k in (2.0, 2.5, 5.0) if round_step(below * k * 1.0001) > below * 1.01)


def _belief_axis(target_um: float, reach_um: float, x: Scale, base: int) -> Iterator[str]:
    step = round_step(reach_um / 2)
    for k in range(math.ceil((target_um - reach_um) / step), math.floor((target_um + reach_um) / step) + 1):
        at, words = x(k * step), signed(k * step, digits=2 if step < 0.1 else 1).removesuffix(".0")
        if 14 < at < WIDE - 14:
            yield (
                f'<path d="M{at:.1f} {base}v5" stroke="{FAINT}"/><text x="{at:.1f}" y="{HIGH - 6}" '
                f'class="bl" text-anchor="middle" fill="{FAINT}">{words}</text>'
            )


def _answer_bars(now: Reading, x: Scale, base: int) -> Iterator[str]:
    """What the model says of the last frame, as bars at its bins."""
    answer, last = now.answer, now.snapshot
    if answer is None or last is None or len(answer.probabilities) < 2 or not last.accepted:
        return
    most = float(answer.probabilities.max())
    width = abs(x(float(answer.bin_centres_um[1])) - x(float(answer.bin_centres_um[0])))
    for um, p in zip(answer.bin_centres_um.tolist(), answer.probabilities.tolist(), strict=True):
        at, tall = x(um), 0.42 * (base - 8) * p / most
        if tall > 0.5 and -width < at < WIDE + width:
            yield (
                f'<rect x="{at - width / 2 + 0.5:.1f}" y="{base - tall:.1f}" width="{max(width - 1, 1):.1f}" '
                f'height="{tall:.1f}" fill="{FAINT}" fill-opacity=".45"/>'
            )


def _bell(mean_um: float, sd_um: float, x: Scale, base: int) -> str:
    points = []
    for k in range(-32, 33):
        um = mean_um + 3.2 * sd_um * k / 32
        points.append(f"{x(um):.1f} {base - (base - 16) * math.exp(-0.5 * (3.2 * k / 32) ** 2):.1f}")
    return (
        f'<path d="M{" L".join(points)}" fill="{CALM}" fill-opacity=".28" stroke="{CALM}" '
        'stroke-width="2.5" stroke-linejoin="round"/>'
    )


def confidence_bar(now: Reading) -> str:
    """How far the last frame is like those that the model knows, as a bar and in words."""
    last = now.snapshot
    score = last.in_distribution if last is not None and math.isfinite(last.in_distribution) else 0.0
    if score >= FAMILIAR:
        colour, words = GOOD, "like the training"
    elif score >= STRANGE:
        colour, words = DOUBT, "somewhat unlike the training"
    else:
        colour, words = BAD, "unlike the training"
    verdict = "accepted" if last is not None and last.accepted else "not acted on"
    return (
        f'<div class="score"><i style="width:{100 * score:.0f}%;background:{colour}"></i></div>'
        f'<div class="between"><span>{words if last else "no frame yet"}</span>'
        f"<b>{score:.2f} \N{MIDDLE DOT} {verdict}</b></div>"
    )


def scale_bar(width_px: int, height_px: int, *, shown_um: float) -> str:
    """A bar of a round length over a picture of that size, and of that width in the sample."""
    length_um = round_step(shown_um / 4)
    length_px = length_um / shown_um * width_px
    right, y = width_px - 22, height_px - 24
    unit = f"{length_um:g} \N{MICRO SIGN}m"
    line = f'<path d="M{right - length_px:.1f} {y}H{right}"'
    return (
        f'{line} stroke="#000" stroke-opacity=".55" stroke-width="11"/>'
        f'{line} stroke="#fff" stroke-width="6"/>'
        f'<text x="{right - length_px / 2:.1f}" y="{y - 14}" fill="#fff" stroke="#000" stroke-opacity=".6" '
        f'stroke-width="5" paint-order="stroke" font-size="{0.042 * width_px:.0f}" font-weight="600" '
        f'text-anchor="middle">{unit}</text>'
    )


def colour_bar(span_um: tuple[float, float]) -> str:
    """The colours of the map and the defocus at their ends."""
    colours = ",".join("rgb({:.0f},{:.0f},{:.0f})".format(*colour) for colour in PLASMA)
    low, high = (signed(um, digits=1) for um in span_um)
    return (
        f'<div class="colours"><span>{low}</span><i style="background:linear-gradient(90deg,{colours})"></i>'
        f"<span>{high} \N{MICRO SIGN}m</span></div>"
    )
