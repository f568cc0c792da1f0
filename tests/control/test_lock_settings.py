"""Settings of a lock that contradict one another are refused in one clear line."""

import pytest

from parfocal.control import GainWatchSettings, LimitSettings, LockSettings, SelfCheckSettings
from parfocal.errors import SettingsError

LIMITS = {"lowest_z_um": -20.0, "highest_z_um": 20.0}
NARROW = {"lowest_z_um": -0.4, "highest_z_um": 0.4}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"controller": {"dead_band_um": 1.2}}, "a dead_band_um of at most tolerance_um, got 1.2 and 1"),
        (
            {"limits": {**LIMITS, "largest_step_um": 0.6}, "controller": {"dead_band_um": 0.8}},
            "a dead_band_um of at most largest_step_um, got 0.8 and 0.6",
        ),
        ({"tolerance_um": 12.0}, "a tolerance_um of at most lost_um, got 12 and 10"),
        ({"limits": NARROW}, "a tolerance_um of at most the window, got 1 and 0.8"),
        ({"backlash_um": 41.0}, "a backlash_um of at most the window, got 41 and 40"),
    ],
)
def test_settings_that_contradict_one_another_are_refused_with_both_values(values, told):
    with pytest.raises(SettingsError) as refused:
        LockSettings.parse({"limits": LIMITS, **values}, source="the options")
    assert str(refused.value) == f"the options: expected {told}."


def test_gains_upside_down_are_refused():
    with pytest.raises(SettingsError, match="lowest_gain below highest_gain"):
        SelfCheckSettings.parse({"lowest_gain": 3.0}, source="the options")
    with pytest.raises(SettingsError, match="at most the 9 looks"):
        SelfCheckSettings.parse({"fewest_accepted": 10}, source="the options")
    with pytest.raises(SettingsError, match="lowest below highest"):
        GainWatchSettings.parse({"lowest": 1.7}, source="the options")


@pytest.mark.parametrize("depth_um", [0.5, 3.0, 12.0, 40.0])
def test_any_depth_of_field_gives_settings_that_go_together(depth_um):
    wide = LockSettings(limits=LimitSettings.around(0.0, reach_um=60.0)).for_depth(depth_um)
    assert wide.controller.dead_band_um <= wide.limits.largest_step_um
