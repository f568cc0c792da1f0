"""A person at a browser locks, pauses, changes the target, goes away, comes back and presses Stop."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from parfocal.control import RunLog

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: 'make browser' installs Debian's"),
    pytest.mark.timeout(600),
]
PATIENCE_MS = 120_000
START = [sys.executable, "-c", "from parfocal.cli import main; main()", "lock", "bright-field"]
ASKED = ["--simulate", "yeast-40x", "--speed", "10", "--hours", "5", "--page-port", "0", "--json"]


@contextmanager
def started(record: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A lock in a process of its own, and the address that it printed."""
    command = [*START, *ASKED, "--out", str(record)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if line.startswith("page: "))
            yield process, line.removeprefix("page: ").strip()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def opened(browser: Browser, url: str, *, width: int, height: int) -> tuple[Page, list[str]]:
    """The page, and what is wrong with it: errors, and requests that leave this computer."""
    page, wrong = browser.new_page(viewport={"width": width, "height": height}), []
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if is_away(request.url) else None)
    page.goto(url)
    return page, wrong


def is_away(url: str) -> bool:
    """Whether something comes from another place than this computer."""
    return not re.match(r"(http|ws)://127\.0\.0\.1[:/]|data:|blob:", url)


def says(page: Page, place: str, text: str) -> None:
    expect(page.locator(place)).to_contain_text(text, timeout=PATIENCE_MS, ignore_case=True)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_a_person_locks_changes_the_target_goes_away_comes_back_and_stops(browser: Browser, tmp_path: Path):
    record = tmp_path / "run.sqlite"
    with started(record) as (process, url):
        stranger, _ = opened(browser, url.partition("?")[0], width=800, height=600)
        assert "opens with its token" in stranger.content()
        stranger.close()
        page, wrong = opened(browser, url, width=1440, height=900)
        says(page, ".lamp", "locked")
        assert "token" not in page.url
        press(page, "Pause")
        says(page, ".lamp", "paused")
        press(page, "Lock")
        says(page, ".lamp", "locked")
        press(page, "target +1 um")
        press(page, "target +1 um")
        says(page, ".target", "+2.00")
        says(page, ".eventlist", "target changed from +1.000 to +2.000 um")
        page.wait_for_function("document.querySelector('.live img').naturalWidth > 100")
        assert wrong == []
        page.close()
        n_left = RunLog.open(record).n_frames
        phone, _ = opened(browser, url, width=390, height=844)
        says(phone, ".lamp", "locked")
        says(phone, ".target", "+2.00")
        assert RunLog.open(record).n_frames > n_left
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        press(phone, "Stop")
        says(phone, ".lamp", "stopped")
        says(phone, ".banner", "Focus was held")
        out, err = process.communicate(timeout=120)
        phone.close()
    assert process.returncode == 0, err
    assert "Traceback" not in err
    summary = json.loads(out)
    assert (summary["held"], summary["losses"], summary["fault"]) == (True, 0, "")
    texts = [event.text for event in RunLog.open(record).events()]
    assert texts[-2:] == ["stop: asked for on the page", "stopped"]
    assert "target changed from +0.000 to +1.000 um" in texts
