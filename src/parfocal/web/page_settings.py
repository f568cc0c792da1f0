"""PageSettings: where the page of a lock is to be found, and by whom."""

from __future__ import annotations

import secrets
from ipaddress import ip_address
from typing import Self

from pydantic import Field, model_validator

from parfocal.settings import Settings

USUAL_PORT = 8642


class PageSettings(Settings):
    """Where the page of a lock is to be found, and by whom.

    Attributes
    ----------
    host : str
        Address that is listened at; with the default nobody on another computer can reach the page.
    port : int
        The next free one is taken where that is in use; 0 lets the system choose.
    token : str
        Whoever has it may look and command. A fresh one for each run, unless told.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=USUAL_PORT, ge=0, le=65535)
    token: str = Field(
        default_factory=lambda: secrets.token_urlsafe(16), min_length=8, pattern=r"^[A-Za-z0-9_.~-]+$"
    )

    @model_validator(mode="after")
    def _check_host(self) -> Self:
        if not self.host or "/" in self.host or self.host.startswith("["):
            raise ValueError(f"expected an address such as 127.0.0.1, got {self.host!r}")
        return self

    @property
    def is_local(self) -> bool:
        """Whether only this computer can reach it.

        Examples
        --------
        >>> PageSettings().is_local, PageSettings(host="0.0.0.0").is_local
        (True, False)
        """
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
