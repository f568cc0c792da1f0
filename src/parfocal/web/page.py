"""The page of a lock: an instrument to look at, and its four buttons."""

from __future__ import annotations

import time
from functools import partial
from html import escape
from pathlib import Path

from fastapi import FastAPI
from nicegui import Client, run, ui

from parfocal.control import LockState
from parfocal.control.requests import refuse_unreachable_target
from parfocal.errors import InputError
from parfocal.web.api import Tell
from parfocal.web.board import LockBoard
from parfocal.web.gallery import Gallery
from parfocal.web.gauges import colour_bar, scale_bar
from parfocal.web.look import MICRO, signed
from parfocal.web.messages import Ask, Wish
from parfocal.web.showcase import SPANS, Showcase

STYLE = Path(__file__).with_name("page.css").read_text("utf-8")
READINGS_EVERY_S, PICTURES_EVERY_S, CHART_EVERY_S = 0.25, 0.5, 1.0
PACE_EVERY_S = 2.0
ALL_AS_OFTEN = 10
"""Viewers, until each is told less often: fifty together are told as often as ten."""
ASKED_FOR_S = 3.0
"""So long a target that was asked for counts as the one to step on from, while the lock has not answered."""
STEPS_UM = (-1.0, -0.1, 0.1, 1.0)


def viewers() -> int:
    """How many pages are open."""
    return sum(client.has_socket_connection for client in list(Client.instances.values()))


def add_page(app: FastAPI, board: LockBoard, gallery: Gallery, tell: Tell) -> None:
    """Adds the page to an application, at ``/``.

    Parameters
    ----------
    app : FastAPI
    board : LockBoard
    gallery : Gallery
    tell : callable
        Takes a wish to the lock.
    """
    showcase = Showcase(board)

    @ui.page("/", title="parfocal lock")
    def page() -> None:
        _Panel(board, gallery, showcase, tell)

    run.process_pool_start_method = "spawn"  # a fork of a process with threads may hang
    ui.run_with(
        app,
        title="parfocal lock",
        dark=True,
        tailwind=False,
        show_welcome_message=False,
        message_history_length=0,  # what a viewer missed is old
        reconnect_timeout=20.0,
        binding_refresh_interval=None,
    )


class _Panel:
    """One viewer's page."""

    def __init__(self, board: LockBoard, gallery: Gallery, showcase: Showcase, tell: Tell) -> None:
        self._board, self._gallery, self._showcase, self._tell = board, gallery, showcase, tell
        self._asked_um, self._asked_s = 0.0, float("-inf")
        self._span = next(iter(SPANS))
        self._number = 0
        self._shows_map = False
        self._buttons: dict[Wish, ui.button] = {}
        self._state_word = ""
        ui.add_head_html(f"<style>{STYLE}</style>")
        with ui.element("main").classes("panel"):
            self._build()
        self._refresh()
        self._often = {
            ui.timer(READINGS_EVERY_S, self._refresh): READINGS_EVERY_S,
            ui.timer(PICTURES_EVERY_S, self._refresh_picture): PICTURES_EVERY_S,
            ui.timer(CHART_EVERY_S, self._refresh_chart): CHART_EVERY_S,
            ui.timer(PACE_EVERY_S, self._pace): PACE_EVERY_S,
        }

    def _pace(self) -> None:
        slower = max(1.0, viewers() / ALL_AS_OFTEN)
        for timer, every_s in self._often.items():
            timer.interval = every_s * slower

    def _build(self) -> None:
        with ui.element("header").classes("head"):
            self._state = _html("state").props('role="status" aria-live="polite"')
            self._defocus = _html("defocus")
            self._build_target()
            self._build_buttons()
        self._banner = _html("banner")
        with _Box("image", "live image") as box:
            self._picture = ui.interactive_image(sanitize=False).classes("live")
            with box.head:
                self._switch = ui.button("map", on_click=self._toggle_map, color=None).props(
                    "flat dense no-caps"
                )
                self._switch.classes("chip").tooltip("the defocus of each part of the field, over the image")
                self._switch.set_visibility(self._gallery.has_maps)
            self._under = _html("under")
        with _Box("stage", "stage"):
            self._stage = _html("stagehtml")
        with _Box("chart", "stage and focus over time") as box:
            with box.head:
                self._spans = {
                    name: ui.button(name, on_click=partial(self._choose, name), color=None).props(
                        "flat dense no-caps"
                    )
                    for name in SPANS
                }
            self._chart = ui.plotly(self._showcase.chart(self._span)).classes("plot")
        with _Box("belief", "belief"):
            self._belief = _html("beliefhtml")
        with _Box("trust", "confidence and limits"):
            self._trust = _html("trusthtml")
        with _Box("events", "events"):
            self._events = _html("eventlist")
        self._foot = _html("foot")
        self._choose(self._span)

    def _build_target(self) -> None:
        with ui.element("div").classes("target"):
            self._target = _html("targethtml")
            with ui.element("div").classes("steps"):
                for step_um in STEPS_UM:
                    label = signed(step_um, digits=1).removesuffix(".0")
                    button = ui.button(label, on_click=partial(self._step, step_um), color=None).props(
                        "flat no-caps"
                    )
                    button.classes("step").props(f'aria-label="target {label} um"')

    def _build_buttons(self) -> None:
        with ui.element("div").classes("buttons"):
            for name, icon in ((Wish.LOCK, "lock"), (Wish.PAUSE, "pause"), (Wish.STOP, "stop")):
                button = ui.button(
                    name.value.capitalize(), icon=icon, on_click=partial(self._ask, name), color=None
                )
                button.props("flat no-caps stack").classes(f"big {name.value}")
                self._buttons[name] = button

    def _ask(self, wish: Wish) -> None:
        if self._board.read().is_over:
            return
        self._tell(Ask(wish))
        if wish is Wish.STOP:
            self._board.stop_was_asked()

    def _step(self, step_um: float) -> None:
        now = self._board.read()
        is_asked = time.monotonic() - self._asked_s < ASKED_FOR_S
        wanted_um = round((self._asked_um if is_asked else now.target_um) + step_um, 3)
        try:
            refuse_unreachable_target(wanted_um, now.start.z_range_um)
        except InputError as error:
            ui.notify(str(error), type="warning")
            return
        if not now.is_over:
            self._asked_um, self._asked_s = wanted_um, time.monotonic()
            self._tell(Ask(Wish.TARGET, wanted_um))
            self._refresh()

    def _toggle_map(self) -> None:
        self._shows_map = not self._shows_map
        self._switch.classes(toggle="on")
        self._number = 0
        self._refresh_picture()

    def _choose(self, name: str) -> None:
        self._span = name
        for other, button in self._spans.items():
            button.classes(replace="chip on" if other == name else "chip")
        self._refresh_chart()

    def _refresh(self) -> None:
        shown = self._showcase.now()
        self._state.content, self._defocus.content = shown.state, shown.defocus
        self._banner.content, self._stage.content = shown.banner, shown.stage
        self._belief.content, self._trust.content = shown.belief, shown.trust
        self._events.content, self._foot.content = shown.events, shown.foot
        self._target.content = self._target_words(shown.target_um)
        if shown.state_word != self._state_word:
            self._enter(shown.state_word)

    def _enter(self, state_word: str) -> None:
        """The title of the tab and the buttons tell the state too."""
        self._state_word = state_word
        ui.page_title(f"{state_word.upper()} \N{EM DASH} parfocal lock")
        is_paused = state_word == LockState.PAUSED
        is_over = state_word in (LockState.STOPPED, LockState.FAULT)
        lit = {Wish.LOCK: not is_paused, Wish.PAUSE: is_paused, Wish.STOP: True}
        for wish, button in self._buttons.items():
            button.classes(add="lit" if lit[wish] else "", remove="" if lit[wish] else "lit")
            button.set_enabled(not is_over)

    def _target_words(self, target_um: float) -> str:
        is_asked = time.monotonic() - self._asked_s < ASKED_FOR_S and self._asked_um != target_um
        told = f"{signed(self._asked_um)} asked for" if is_asked else "target"
        return (
            f'<div class="label">{told}</div><div class="big-number">{signed(target_um)} <u>{MICRO}</u></div>'
        )

    def _refresh_picture(self) -> None:
        picture, told = None, ""
        if self._shows_map:
            made = self._gallery.map()
            frame, picture, url, told = made.frame, made.picture, "/api/map", made.told
        if not self._shows_map or picture is None:
            frame, picture, url = self._board.frame(), self._gallery.picture(), "/api/image"
        if frame is not None and picture is not None and frame.number != self._number:
            self._number = frame.number
            self._picture.set_source(f"{url}?frame={frame.number}")
            shown_um = frame.frame_yx.shape[1] * self._board.start.pixel_size_um
            self._picture.content = scale_bar(picture.width_px, picture.height_px, shown_um=shown_um)
        span_um = picture.span_um if picture is not None else None
        self._under.content = colour_bar(span_um) if span_um else escape(told) or "&nbsp;"

    def _refresh_chart(self) -> None:
        chart = self._showcase.chart(self._span)
        if chart is not self._chart.figure:
            self._chart.update_figure(chart)


class _Box:
    """A part of the panel with its name above, and room for buttons beside the name."""

    def __init__(self, name: str, title: str) -> None:
        self._section = ui.element("section").classes(f"box {name}")
        with self._section:
            self.head = ui.element("div").classes("boxhead")
            with self.head:
                ui.html(title, sanitize=False, tag="h2")

    def __enter__(self) -> _Box:
        self._section.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._section.__exit__(*error)


def _html(name: str) -> ui.html:
    # What is shown has been made here, and escaped where it was not.
    return ui.html("", sanitize=False).classes(name)
