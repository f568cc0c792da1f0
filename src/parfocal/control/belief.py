"""Belief: where the focus is thought to be and how it drifts, as every frame and every move tell."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pydantic import Field

from parfocal.estimate import NORMAL_90, FocusEstimate
from parfocal.settings import Settings

UNKNOWN_SD_UM = 1000.0
LEAST_SHARE = 0.5
"""Of the bias of a scene: a belief that is narrower than that follows drift too slowly."""
LEAST_MOVE_UM = 0.2
"""Shorter ones are the drive's own noise."""
SETTLED = 10
"""Answers after which what is corrected is drift, and no longer the way to focus."""
CALM = 4
"""The trend follows that much more slowly than the mean: what is faster swings to and fro."""


class BeliefSettings(Settings):
    """How far to trust an estimate, and for how long.

    Attributes
    ----------
    fastest_drift_um_per_h : float
        Drift to be ready for: the standard deviation grows at this rate between accepted estimates, and no
        faster drift is learned.
    trend_s : float
        Time in which the learned drift follows the one there is.
    scene_bias_um : float
        No estimate counts as more certain than that.
    white_share : float
        Of the variance of an estimate's error, what is new in each frame. The rest is a bias that all frames
        of one field share: averaging them does not shrink it.
    scale_error : float
        By so much a model's scale may be wrong: after a long move its next answer counts more than the move.
    gate_sds : float
        An estimate that is further off than this many standard deviations is an outlier.
    outliers_to_reset : int
        So many outliers in a row mean that the focus did jump.
    """

    fastest_drift_um_per_h: float = Field(default=10.0, ge=0)
    trend_s: float = Field(default=1200.0, gt=0)
    scene_bias_um: float = Field(default=0.15, gt=0)
    white_share: float = Field(default=0.05, gt=0, le=1)
    scale_error: float = Field(default=0.2, ge=0)
    gate_sds: float = Field(default=5.0, gt=0)
    outliers_to_reset: int = Field(default=3, ge=1)


@dataclass(frozen=True)
class Belief:
    """What is believed of the defocus.

    Attributes
    ----------
    mean_um, variance_um2 : float
        Defocus in um (stage position minus focus position), and its variance if the errors of answers were
        new in each frame.
    bias_um2 : float
        Variance of what all answers of the field at hand err alike: no less is left.
    drift_um_per_s : float
        How fast the defocus changes while the stage stands still, as learned from what had to be corrected.
    n_outliers : int
        Estimates in a row, up to now, that this belief could not explain.
    n_resets : int
        Times in a row, up to now, that it was given up although the stage had moved by it.
    n_agreed : int
        Estimates that it explains, since it was first formed or given up.
    is_tried : bool
        Whether the stage has moved since then. To agree about a stage at rest is easy, and clears nothing.

    Examples
    --------
    >>> Belief.unknown().sd_um
    1000.0
    """

    mean_um: float
    variance_um2: float
    bias_um2: float = 0.0
    drift_um_per_s: float = 0.0
    n_outliers: int = 0
    n_resets: int = 0
    n_agreed: int = 0
    is_tried: bool = False

    @classmethod
    def unknown(cls) -> Belief:
        """The belief before the first frame."""
        return cls(0.0, UNKNOWN_SD_UM**2)

    @property
    def sd_um(self) -> float:
        """Standard deviation in um; the variance has the bias in it where it is the larger."""
        return math.sqrt(max(self.variance_um2, self.bias_um2))

    @property
    def half90_um(self) -> float:
        """Half the width of the interval that holds the defocus in nine of ten cases, in um."""
        return NORMAL_90 * self.sd_um


def predict(belief: Belief, *, move_um: float, dt_s: float, settings: BeliefSettings) -> Belief:
    """The belief after the stage moved by `move_um` and `dt_s` seconds passed.

    Notes
    -----
    Thermal drift keeps its direction for hours, so the standard deviation grows with time and not with
    its square root; and the mean goes on as the drift went.
    """
    dt_s = max(dt_s, 0.0)
    sd_um = math.sqrt(belief.variance_um2) + settings.fastest_drift_um_per_h * dt_s / 3600
    return replace(
        belief,
        mean_um=belief.mean_um + move_um + belief.drift_um_per_s * dt_s,
        variance_um2=min(sd_um**2 + (settings.scale_error * move_um) ** 2, UNKNOWN_SD_UM**2),
        is_tried=belief.is_tried or abs(move_um) > LEAST_MOVE_UM,
    )


def update(belief: Belief, estimate: FocusEstimate, *, settings: BeliefSettings, dt_s: float = 0.0) -> Belief:
    """The belief after an estimate; unchanged by one that is not accepted.

    Parameters
    ----------
    belief : Belief
    estimate : FocusEstimate
    settings : BeliefSettings
    dt_s : float
        Seconds since the frame before; of a series of frames, drift is learned.

    Notes
    -----
    A scalar Kalman filter with a gate against outliers. It follows answers as if their errors were new in
    each frame, which finds focus even where a model's scale is wrong; that they are not is in the bias, which
    no number of frames takes away (docs/decisions/0012). An answer that the belief cannot explain may be that
    of a field with two layers: then the layer that it follows counts.
    """
    if not (estimate.accepted and math.isfinite(estimate.defocus_um) and math.isfinite(estimate.std_um)):
        return belief
    noise_um2 = max(estimate.std_um, settings.scene_bias_um) ** 2
    bias_um2 = (1 - settings.white_share) * noise_um2
    gate_um = settings.gate_sds * math.sqrt(belief.sd_um**2 + noise_um2)
    answers_um = (estimate.defocus_um, *estimate.layers_um)
    told_um = next((um for um in answers_um if abs(um - belief.mean_um) <= gate_um), None)
    if told_um is None:
        if belief.n_outliers + 1 < settings.outliers_to_reset:
            return replace(belief, n_outliers=belief.n_outliers + 1)
        return Belief(
            estimate.defocus_um,
            noise_um2,
            bias_um2,
            drift_um_per_s=belief.drift_um_per_s,
            n_resets=belief.n_resets + belief.is_tried,
            n_agreed=1,
        )
    gain = belief.variance_um2 / (belief.variance_um2 + noise_um2)
    corrected_um = gain * (told_um - belief.mean_um)
    return replace(
        belief,
        mean_um=belief.mean_um + corrected_um,
        drift_um_per_s=_trend(belief, corrected_um, gain=gain, dt_s=dt_s, settings=settings),
        variance_um2=max((1 - gain) * belief.variance_um2, (LEAST_SHARE * settings.scene_bias_um) ** 2),
        bias_um2=bias_um2,
        n_outliers=0,
        n_resets=0 if belief.is_tried else belief.n_resets,
        n_agreed=belief.n_agreed + 1,
    )


def _trend(
    belief: Belief, corrected_um: float, *, gain: float, dt_s: float, settings: BeliefSettings
) -> float:
    """The learned drift after one more correction: what has to be corrected again and again is drift."""
    if belief.n_agreed < SETTLED or dt_s <= 0:
        return belief.drift_um_per_s
    fastest = settings.fastest_drift_um_per_h / 3600
    trend = belief.drift_um_per_s + corrected_um / max(settings.trend_s, CALM * dt_s / gain)
    return max(-fastest, min(trend, fastest))
