"""AutofocusSettings: how the learned focus takes part in an acquisition."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from parfocal.control.focus_routine import RoutineSettings
from parfocal.control.supervisor import LimitSettings
from parfocal.settings import Settings


class OnFailure(StrEnum):
    """What an acquisition does where a field cannot be brought into focus."""

    RETRY = "retry"
    SKIP = "skip"
    CONTINUE = "continue"
    ABORT = "abort"


class AutofocusSettings(Settings):
    """How the learned focus takes part in an acquisition.

    Attributes
    ----------
    limits : LimitSettings
        Where the focus drive may go, by the autofocus and by the plan. There is no default: only the user
        knows where the sample is.
    channel_group, channel : str, optional
        Group and preset of the light that the model was trained with. It is switched on to look, and images
        of other channels are not looked at. Not given: the light is left as it is, and every image counts.
    exposure_ms : float, optional
        Of the frames that are looked at; by default as it is.
    channel_offsets_um : mapping of str to float
        For channels, by their preset's name, that are in focus elsewhere: how far above the plane of the
        light that is looked at, in um of the stage.
    on_failure : OnFailure
        ``retry``: as often as the plan says (useq: three times), then as ``continue``. ``skip``: no image is
        taken there until the focus is found; it is looked for once in each time point. ``continue``: the
        image is taken where the focus is expected, and says so. ``abort``: the acquisition ends.
    follow : bool
        Whether images that the acquisition takes anyway tell where the focus goes.
    sure_um : float
        Where the focus is expected to within so many um (standard deviation), no frame is spent on looking
        before the image; where images are followed, the image itself tells. 0: it is always looked.
    routine : RoutineSettings
    """

    limits: LimitSettings
    channel_group: str | None = None
    channel: str | None = None
    exposure_ms: float | None = Field(default=None, gt=0)
    channel_offsets_um: dict[str, float] = Field(default_factory=dict)
    on_failure: OnFailure = OnFailure.RETRY
    follow: bool = True
    sure_um: float = Field(default=0.0, ge=0)
    routine: RoutineSettings = RoutineSettings()
