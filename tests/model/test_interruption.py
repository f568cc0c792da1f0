"""Ctrl-C waits for the end of a step, once."""

from __future__ import annotations

import signal
import threading

import pytest

from parfocal.model.interruption import interrupts_held


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_waits_until_it_is_let_through() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held() as let_interrupt:
        for step in range(5):
            if step == 2:
                press_ctrl_c()
            done.append(step)
            let_interrupt()
    assert done == [0, 1, 2]


def test_ctrl_c_is_not_lost_when_nobody_lets_it_through() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        press_ctrl_c()
        done.append("work")
    assert done == ["work"]


def test_a_second_ctrl_c_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        press_ctrl_c()
        press_ctrl_c()
        pytest.fail("the second one waited")


def test_afterwards_ctrl_c_is_as_before() -> None:
    with interrupts_held():
        pass
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        press_ctrl_c()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_programs_own_stays() -> None:
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with interrupts_held() as let_interrupt:
            press_ctrl_c()
            let_interrupt()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


def test_other_threads_hold_nothing() -> None:
    done = []

    def work() -> None:
        with interrupts_held() as let_interrupt:
            let_interrupt()
        done.append("work")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["work"]
