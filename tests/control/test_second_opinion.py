import numpy as np
import pytest
from lock_fakes import estimate_of
from test_run_log import snapshot

from parfocal.control import RecordSettings, RunLog, second_opinion
from parfocal.errors import InputError


class Grey:
    """An estimator that tells the grey value, and cannot tell black; remembers the pixel sizes."""

    fingerprint, z_range_um = "grey", (-15.0, 15.0)

    def __init__(self):
        self.sizes_um = []

    def estimate(self, frame_yx, *, pixel_size_um):
        self.sizes_um.append(pixel_size_um)
        return estimate_of(float(frame_yx[0, 0]), accepted=bool(frame_yx.any()))


def recorded(path, *, greys, settings=None, **changes):
    """One kept image for each grey value; the run was told 1.0 um, 0.5 um too much."""
    settings = {"pixel_size_um": 0.24} if settings is None else settings
    keep = RecordSettings(keep_image_every_s=1)
    values = {"defocus_um": 1.0, "true_defocus_um": 0.5, **changes}
    with RunLog.create(path, settings=settings, model_fingerprint="", keep=keep) as log:
        for k, grey in enumerate(greys):
            log.append(snapshot(20 * k, **values), np.full((2, 3), grey, np.uint8))
            log.append(snapshot(20 * k + 10, **values), np.zeros((2, 3), np.uint8))  # not kept
    return RunLog.open(path)


def test_another_models_answers_stand_beside_those_of_the_run(tmp_path):
    record, grey, told = recorded(tmp_path / "run", greys=[1, 3, 0]), Grey(), []
    opinion = second_opinion(record, grey, watch=told.append)
    assert grey.sizes_um == [0.24] * 3
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    assert [(k.number, k.run_um, k.other_um, k.other_accepted) for k in opinion.images] == [
        (1, 1.0, 1.0, True),
        (3, 1.0, 3.0, True),
        (5, 1.0, 0.0, False),
    ]
    assert (opinion.n_images, opinion.n_both) == (3, 2)
    assert (opinion.accepted_run, opinion.accepted_other) == (1.0, pytest.approx(2 / 3))
    assert opinion.difference_mean_um == 1.0
    assert opinion.difference_rms_um == pytest.approx(np.sqrt(2))
    assert opinion.error_rms_run_um == pytest.approx(0.5)
    assert opinion.error_rms_other_um == pytest.approx(np.sqrt((0.5**2 + 2.5**2) / 2))


def test_what_is_not_known_is_not_told(tmp_path):
    record = recorded(tmp_path / "run", greys=[1], true_defocus_um=None, accepted=False)
    opinion = second_opinion(record, Grey())
    assert (opinion.n_both, opinion.accepted_run) == (0, 0.0)
    assert (opinion.difference_mean_um, opinion.difference_rms_um) == (None, None)
    assert (opinion.error_rms_run_um, opinion.error_rms_other_um) == (None, None)


def test_a_record_without_images_or_without_their_pixel_size_is_refused(tmp_path):
    with pytest.raises(InputError, match="kept no images"):
        second_opinion(recorded(tmp_path / "none", greys=[]), Grey())
    with pytest.raises(InputError, match="pixel size"):
        second_opinion(recorded(tmp_path / "unsized", greys=[1], settings={"seed": 1}), Grey())
