"""Who watches a lock, as far as the options of the verb say: its page, and an alarm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from parfocal.cli.terminal import note

if TYPE_CHECKING:
    from parfocal.control import Onlooker
    from parfocal.model import FocusEstimator
    from parfocal.web.page_settings import PageSettings


@dataclass(frozen=True)
class PageWishes:
    """What the options say."""

    page: bool
    host: str
    port: int
    token: str | None
    webhook: str | None

    def check(self) -> None:
        """Refuse addresses that are none, before anything is loaded."""
        if self.page:
            self._settings()
        self._alarms()

    def onlookers(self, estimator: FocusEstimator, *, model: Path, pixel_size_um: float) -> list[Onlooker]:
        """The page and the alarm, as far as they are wanted.

        Parameters
        ----------
        estimator : FocusEstimator
            As the lock follows it.
        model : Path
            Where it came from.
        pixel_size_um : float
            Of the camera.
        """
        return [*self._alarms(), *self._pages(estimator, model, pixel_size_um)]

    def _pages(self, estimator: FocusEstimator, model: Path, pixel_size_um: float) -> list[Onlooker]:
        if not self.page:
            return []
        from parfocal.live_map import LiveMap
        from parfocal.web.page_link import LockPage

        settings = self._settings()
        map_of = LiveMap(model, estimator.header, estimator.fingerprint, estimator.rescales, pixel_size_um)
        if not settings.is_local:
            note("the page is open to other computers: who sees its address there can move the drive")
        return [LockPage(settings, map_of=map_of, announce=lambda url: note(f"page: {url}"))]

    def _alarms(self) -> list[Onlooker]:
        if self.webhook is None:
            return []
        from parfocal.web.alarms import AlarmHook

        return [AlarmHook(self.webhook)]

    def _settings(self) -> PageSettings:
        from parfocal.web.page_settings import PageSettings

        said = {"host": self.host, "port": self.port}
        token = {} if self.token is None else {"token": self.token}
        return PageSettings.parse({**said, **token}, source="the command's options")
