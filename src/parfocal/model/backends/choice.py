"""Which back end runs a network on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from parfocal.errors import SettingsError
from parfocal.model.backends.contract import Backend, InferenceSettings, Precision
from parfocal.model.backends.torch_backend import TorchBackend
from parfocal.model.networks import FocusNetwork, Network, NetworkSettings, Standardise

SAME_ANSWER = 0.1
"""An answer that moved by less than this fraction of its own spread is the same."""


def open_backend(
    network: Network,
    settings: NetworkSettings,
    inference: InferenceSettings,
    *,
    calibration_frames: Sequence[NDArray[np.float32]] = (),
) -> Backend:
    """The back end that some settings ask for; where they leave it open, the fastest that can be trusted.

    Parameters
    ----------
    network : Network
    settings : NetworkSettings
        Those of the network.
    inference : InferenceSettings
    calibration_frames : sequence of arrays, each of shape (y, x), float32
        For int8: frames at the working pixel.

    Raises
    ------
    SettingsError
        If what is asked for is not installed, cannot take this network, or lacks frames to calibrate on.

    Notes
    -----
    A precision that was left open is tried on drawn frames beside PyTorch's fp32: it is taken if it moves no
    answer by more than `SAME_ANSWER` of its spread. So a network of wild weights runs in fp32.
    """
    _check_int8(network, inference, calibration_frames)
    takes_any = inference.backend == "auto" and inference.precision != "int8"
    by_openvino = find_spec("openvino") is not None and _suits_openvino(network)
    if inference.backend == "torch" or (takes_any and not by_openvino):
        return TorchBackend(network, precision="bf16" if inference.precision == "bf16" else "fp32")
    _check_openvino(network)
    return _open_openvino(network, settings, inference, calibration_frames)


def _open_openvino(
    network: Network,
    settings: NetworkSettings,
    inference: InferenceSettings,
    calibration_frames: Sequence[NDArray[np.float32]],
) -> Backend:
    from parfocal.model.backends.openvino_backend import OpenVinoBackend, multiplies_bf16  # 0.2 s to import
    from parfocal.model.backends.openvino_focus import OpenVinoFocusBackend

    def opened(precision: Precision) -> Backend:
        if isinstance(network, FocusNetwork):
            return OpenVinoFocusBackend(network, precision=precision, threads=inference.threads)
        return OpenVinoBackend(
            network,
            precision=precision,
            threads=inference.threads,
            side_px=settings.smallest_px,
            calibration_frames=calibration_frames,
        )

    if inference.precision != "auto":
        return opened(inference.precision)
    if isinstance(network, FocusNetwork) and not _reads_cells(network):
        return opened("fp32")  # nothing is rounded, so there is nothing to try
    exact = TorchBackend(network)
    frames = drawn_frames(settings)
    precisions: list[Precision] = ["bf16"] if multiplies_bf16() else []
    if not _reads_cells(network):  # PyTorch runs a reader faster in fp32
        precisions.append("fp32")
    for precision in precisions:
        backend = opened(precision)
        if gives_same_answers(backend, exact, frames):
            return backend
    return exact


def gives_same_answers(backend: Backend, exact: Backend, frames: NDArray[np.float32]) -> bool:
    """Whether a back end moves no answer by more than `SAME_ANSWER` of the answer's spread.

    Parameters
    ----------
    backend, exact : Backend
        Of one network.
    frames : array, shape (N, 1, Y, X), float32
    """
    means, _ = _answers(backend.run(frames)["logits"])
    exact_means, spreads = _answers(exact.run(frames)["logits"])
    return bool((np.abs(means - exact_means) <= SAME_ANSWER * spreads).all())


def drawn_frames(settings: NetworkSettings) -> NDArray[np.float32]:
    """Spots of three sharpnesses on a bright background, shape (3, 1, Y, X), of a size the network takes."""
    odd = 13 if settings.takes_any_size else 0  # not the size that the network was converted with
    side_y, side_x = settings.smallest_px + 2 * odd, settings.smallest_px + 3 * odd
    spots = np.random.default_rng(0).random((side_y, side_x)) < 0.01
    shades = [gaussian_filter(spots.astype(np.float32), width_px) for width_px in (1.0, 2.0, 4.0)]
    return np.stack([30000 * (1 - 0.05 * shade / shade.max()) for shade in shades])[:, None]


def _answers(logits: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread of each distribution, in bins."""
    probabilities = softmax(logits.astype(np.float64), axis=1)
    bins = np.arange(logits.shape[1])
    means = probabilities @ bins
    variances = (probabilities * (bins - means[:, None]) ** 2).sum(axis=1)
    return means, np.sqrt(variances + 1 / 12)


def _suits_openvino(network: Network) -> bool:
    can_be_taken_apart = isinstance(getattr(network, "standardise", None), Standardise)
    return can_be_taken_apart or isinstance(network, FocusNetwork)


def _reads_cells(network: Network) -> bool:
    return isinstance(network, FocusNetwork) and network.reader is not None


def _check_int8(
    network: Network, inference: InferenceSettings, frames: Sequence[NDArray[np.float32]]
) -> None:
    if inference.precision != "int8":
        return
    if inference.backend == "torch":
        raise SettingsError(
            "Expected precision fp32 or bf16 with backend torch, got int8. Use openvino for it."
        )
    if not frames:
        raise SettingsError(
            "Expected some frames to learn the range of each layer from, as int8 needs; got none. "
            "Give calibration_frames, about 30 camera frames over the whole range of defocus."
        )
    if isinstance(network, FocusNetwork):
        raise SettingsError(
            "Expected precision fp32 or bf16 for this network, which is more than convolutions."
        )
    missing = [library for library in ("openvino", "nncf") if find_spec(library) is None]
    if missing:
        raise SettingsError(f"int8 needs {' and '.join(missing)}: pip install 'parfocal[int8]', or use bf16.")


def _check_openvino(network: Network) -> None:
    if find_spec("openvino") is None:
        raise SettingsError(
            "Expected OpenVINO for backend openvino, but it is not installed. Install it "
            "(pip install openvino), or use backend torch."
        )
    if not _suits_openvino(network):
        raise SettingsError(
            f"Expected a network of convolutions, or FocusNetwork, for backend openvino, got "
            f"{type(network).__name__}. Use backend torch."
        )
