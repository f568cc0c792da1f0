"""FocusEstimator: a trained model that tells the defocus of one frame."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from parfocal.errors import ModelError
from parfocal.estimate import FocusEstimate
from parfocal.model.backends import Backend, InferenceSettings, open_backend
from parfocal.model.bins import BinSettings
from parfocal.model.defocus_map import DefocusMap, TileEvidence, evidence_of_places, evidence_of_windows
from parfocal.model.familiarity import Evidence, Familiarity, views_of
from parfocal.model.intervals import Intervals
from parfocal.model.layers import layers_of, softmax, tile_mixture, two_layers_of
from parfocal.model.model_file import ModelHeader, load_model
from parfocal.model.networks import FocusNetwork, Network, build_network
from parfocal.model.serving import ready_for
from parfocal.model.shipped import find_model
from parfocal.model.working_frame import SAME_PIXEL, field_of, working_frame

PIXEL_TOLERANCE = 0.03
"""An 8 % error of the pixel size changes the answer by 10 to 40 %, so little is tolerated."""
CLIPPING_ROWS = 64
"""So many rows tell the clipped fraction of a frame; to count in all of them takes milliseconds."""


class FocusEstimator:
    """A focus model, ready to use.

    Parameters
    ----------
    header : ModelHeader
    arrays : dict of arrays
        Weights, and what familiar frames look like.
    fingerprint : str
        Identifies the model in records.
    rescale : bool
        Whether to take frames of another pixel size than the model was made for.
    field_um : float, optional
        Look only at the centre of each frame, a square of this side (or what the frame has of it); as the
        model was trained if not given, which is the whole frame but of large ones. The 2018 network has a
        field of its own.
    inference : InferenceSettings
        What runs the network.
    calibration_frames : sequence of arrays, each of shape (Y, X)
        For int8: some 30 camera frames of the model's pixel size, over the whole range of defocus.

    Examples
    --------
    >>> estimator = FocusEstimator.load("model.safetensors")  # doctest: +SKIP
    >>> estimator.estimate(frame_yx, pixel_size_um=0.24).defocus_um  # doctest: +SKIP
    -1.7
    """

    def __init__(
        self,
        header: ModelHeader,
        arrays: dict[str, NDArray[Any]],
        *,
        fingerprint: str,
        rescale: bool = False,
        field_um: float | None = None,
        inference: InferenceSettings | None = None,
        calibration_frames: Sequence[NDArray[Any]] = (),
    ) -> None:
        if field_um is not None and not 0 < field_um < math.inf:
            raise ModelError(f"Expected a field above 0 um, got {field_um}.")
        self.header = header
        self._fingerprint = fingerprint
        self._rescale = rescale
        self._field_um = field_um
        self._network, self._familiarity, self._intervals = _learned(header, arrays)
        pixel_um = header.camera_pixel_size_um
        self._backend = open_backend(
            self._network,
            header.network,
            inference or InferenceSettings(),
            calibration_frames=[
                self._prepare(f, pixel_size_um=pixel_um, field_um=field_um or header.field_um)[1]
                for f in calibration_frames
            ],
        )

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        rescale: bool = False,
        field_um: float | None = None,
        backend: Literal["auto", "torch", "openvino"] = "auto",
        precision: Literal["auto", "fp32", "bf16", "int8"] = "auto",
        threads: int = 2,
        calibration_frames: Sequence[NDArray[Any]] = (),
    ) -> FocusEstimator:
        """A model from its file.

        Parameters
        ----------
        path : str or Path
            A model file, or the name of a shipped model.
        rescale : bool
            Whether to take frames of another pixel size than the model was made for.
        field_um : float, optional
            Look only at the centre of each frame, a square of this side; as trained if not given.
        backend, precision, threads
            What runs the network, see `InferenceSettings`.
        calibration_frames : sequence of arrays, each of shape (Y, X)
            For int8, see the class.

        Raises
        ------
        ModelError
            If the file is missing, is no model, or its weights are not those of the network that it names.
        SettingsError
            If there is no such back end or precision, it is not installed, or it cannot take the network.
        """
        inference = InferenceSettings.parse(
            {"backend": backend, "precision": precision, "threads": threads}, source="FocusEstimator.load"
        )
        file = find_model(path)
        header, arrays = load_model(file)
        fingerprint = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        try:
            return cls(
                header,
                arrays,
                fingerprint=fingerprint,
                rescale=rescale,
                field_um=field_um,
                inference=inference,
                calibration_frames=calibration_frames,
            )
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error

    def with_header(self, header: ModelHeader) -> FocusEstimator:
        """The same model ready for a microscope, see `parfocal.model.serving`.

        A model of many that is made ready takes pixels of any fineness.
        """
        ready = copy(self)
        ready.header = header
        ready._rescale = self._rescale or (header.optics is not None and self.header.optics is None)
        return ready

    def for_microscope(
        self,
        *,
        pixel_size_um: float,
        numerical_aperture: float,
        immersion_index: float | None = None,
        wavelength_um: float | None = None,
    ) -> FocusEstimator:
        """The same model ready for a microscope, by its optics.

        Parameters
        ----------
        pixel_size_um : float
            Side of one pixel in the sample.
        numerical_aperture : float
            The objective's.
        immersion_index : float, optional
            That of air for apertures below 1, if not given.
        wavelength_um : float, optional
            Of the light; green, if not given.

        Raises
        ------
        InputError, SettingsError, ModelError
            See `parfocal.model.serving.ready_for`.
        """
        return self.with_header(
            ready_for(
                self.header,
                pixel_size_um=pixel_size_um,
                numerical_aperture=numerical_aperture,
                immersion_index=immersion_index,
                wavelength_um=wavelength_um,
            )
        )

    @property
    def fingerprint(self) -> str:
        """The first 12 digits of the model file's SHA-256."""
        return self._fingerprint

    @property
    def backend(self) -> Backend:
        """What runs the network."""
        return self._backend

    @property
    def rescales(self) -> bool:
        """Whether it takes frames of another pixel size than the model was made for."""
        return self._rescale

    @property
    def z_range_um(self) -> tuple[float, float]:
        """Lowest and highest defocus that can be told, in um: those of the training data."""
        return self.header.answer_range_um

    def estimate(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> FocusEstimate:
        """The defocus of one frame.

        Parameters
        ----------
        frame_yx : array, shape (Y, X), uint8, uint16 or float32
            Grey values; any size that holds the network's smallest input.
        pixel_size_um : float
            Side of a pixel in the sample.

        Raises
        ------
        ModelError
            If the frame is no single plane, of another type or too small, holds values that are not finite,
            or its pixel size is not the model's.
        """
        started = time.perf_counter()
        field_um = self._field_um or self.header.field_um
        field, frame = self._prepare(frame_yx, pixel_size_um=pixel_size_um, field_um=field_um)
        outputs = self._backend.run(frame[None, None])
        familiar = self._familiar(field, frame, outputs)
        return self._answer(outputs, familiar, latency_ms=1e3 * (time.perf_counter() - started))

    def defocus_map(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> DefocusMap:
        """The defocus of each part of one frame, all of it unless a field was asked for.

        Parameters
        ----------
        frame_yx : array, shape (Y, X), uint8, uint16 or float32
        pixel_size_um : float
            Side of a pixel in the sample.

        Raises
        ------
        ModelError
            As `estimate`, or if the network does not say where in the frame it looked.
        """
        field, frame = self._prepare(frame_yx, pixel_size_um=pixel_size_um, field_um=self._field_um)
        scale = self._scale(pixel_size_um)
        sides = zip(frame_yx.shape, field.shape, strict=True)
        pixel_um = pixel_size_um * (scale if scale > 1 + SAME_PIXEL else 1.0)
        corner_um = [pixel_size_um * ((whole - part) // 2) for whole, part in sides]
        return DefocusMap(self._evidence_in(frame, pixel_um=pixel_um, corner_um=corner_um))

    def _evidence_in(
        self, frame: NDArray[np.float32], *, pixel_um: float, corner_um: Sequence[float]
    ) -> TileEvidence:
        reader = getattr(self._network, "reader", None)
        if isinstance(self._network, FocusNetwork) and reader is not None:
            with torch.inference_mode():
                places = self._network.places(torch.from_numpy(frame))
            return evidence_of_places(
                places,
                pixel_um=pixel_um,
                corner_um=corner_um,
                centres_um=self.header.in_answers(reader.centres_um.double().numpy()),
                spread_scale=float(reader.spread_scale),
            )
        outputs = self._backend.run(frame[None, None])
        if "tile_logits" not in outputs:
            raise ModelError(
                f"Expected a network that looks at a frame window by window, such as focus; this model's is "
                f"{self.header.network.architecture}, which gives one answer for all of it. Train again "
                "with the default recipe."
            )
        return evidence_of_windows(
            outputs,
            frame.shape,
            window_px=self.header.network.window_px,
            pixel_um=pixel_um,
            corner_um=corner_um,
            centres_um=self.header.answer_bins.centres_um,
            spread_scale=self.header.spread_scale,
        )

    def _familiar(
        self, field: NDArray[Any], frame: NDArray[np.float32], outputs: dict[str, NDArray[np.float32]]
    ) -> float:
        if self._familiarity.is_clipped(field[:: max(len(field) // CLIPPING_ROWS, 1)]):
            return 0.0
        return float(self._familiarity.scores(self._evidence(frame, outputs))[0])

    def _evidence(self, frame: NDArray[np.float32], outputs: dict[str, NDArray[np.float32]]) -> Evidence:
        """In the network's own um, whatever the model was calibrated to."""
        probabilities = softmax(outputs["logits"][0])
        defocus, spread = answer(probabilities, self.header.bins, how=self.header.recipe.answer)
        features = outputs["features"][0] if "features" in outputs else None
        return Evidence(
            tuple(view[None] for view in views_of(frame, features)),
            np.array([defocus]),
            np.array([spread]),
            probabilities[None],
        )

    def _answer(
        self, outputs: dict[str, NDArray[np.float32]], familiar: float, *, latency_ms: float
    ) -> FocusEstimate:
        probabilities, how = softmax(outputs["logits"][0]), self.header.recipe.answer
        # Intervals were learned in the network's own um, whatever the model was calibrated to since.
        own_defocus, own_spread = answer(probabilities, self.header.bins, how=how)
        defocus, spread = answer(probabilities, self.header.answer_bins, how=how)
        centres = self.header.answer_bins.centres_um
        std = self.header.spread_scale * spread * float(self._intervals.stretch_at(own_defocus))
        half = self.header.interval90_scale * std
        is_told = not (
            self._may_lie_beyond(defocus)
            or self._intervals.is_too_broad(defocus_um=own_defocus, spread_um=own_spread)
        )
        is_familiar = familiar >= self.header.accept_above
        return FocusEstimate(
            defocus_um=defocus,
            std_um=std,
            interval90_um=(defocus - half, defocus + half),
            probabilities=probabilities,
            bin_centres_um=centres,
            in_distribution=familiar,
            accepted=is_told and is_familiar,
            layers_um=self._layers_um(outputs),
            latency_ms=latency_ms,
            is_strange=is_told and not is_familiar,
        )

    def _may_lie_beyond(self, defocus_um: float) -> bool:
        """Whether an answer of a model of many is at an end of its range, where those from beyond gather."""
        low_um, high_um = self.header.answer_range_um
        margin_um = self.header.answer_bins.width_um
        is_inside = low_um + margin_um <= defocus_um <= high_um - margin_um
        return self.header.apertures is not None and not is_inside

    def _layers_um(self, outputs: dict[str, NDArray[np.float32]]) -> tuple[float, ...]:
        """By single cells, where the network knows them and they lie in two layers; else by its windows."""
        if "cell_um" in outputs:
            cells_um = self.header.in_answers(outputs["cell_um"][0].astype(np.float64))
            if two := two_layers_of(cells_um, outputs["cell_presence"][0]):
                return two
        return layers_of(tile_mixture(outputs), self.header.answer_bins.centres_um)

    def _prepare(
        self, frame_yx: NDArray[Any], *, pixel_size_um: float, field_um: float | None
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """The part of a frame that counts, in camera pixels, and the same at the working pixel."""
        frame = np.asarray(frame_yx)
        if frame.ndim != 2:
            raise ModelError(f"Expected one grey frame of shape (Y, X), got shape {frame.shape}.")
        if frame.dtype not in (np.uint8, np.uint16, np.float32):
            raise ModelError(f"Expected a frame of uint8, uint16 or float32, got {frame.dtype}.")
        self._check_pixel_size(pixel_size_um)
        scale = self._scale(pixel_size_um)
        pixel_um = self.header.working_pixel_size_um / scale
        field_px = None if field_um is None else max(round(field_um / pixel_um), 1)
        field = field_of(frame, scale=scale, network=self.header.network, field_px=field_px)
        working = working_frame(field, scale=scale, network=self.header.network).numpy()
        # What is not finite stays so through means, and here there are fewer pixels to look at.
        if frame.dtype == np.float32 and not np.isfinite(working).all():
            raise ModelError("Expected finite grey values; the frame holds some that are not a number.")
        return field, working

    def _scale(self, pixel_size_um: float) -> float:
        """Working pixel over camera pixel."""
        pixel_um = pixel_size_um if self._rescale else self.header.camera_pixel_size_um
        return self.header.working_pixel_size_um / pixel_um

    def _check_pixel_size(self, pixel_size_um: float) -> None:
        if not 0 < pixel_size_um < math.inf:
            raise ModelError(f"Expected a pixel size above 0 um, got {pixel_size_um}.")
        made_for, coarsest = self.header.camera_pixel_size_um, self.header.working_pixel_size_um
        if not self._rescale and abs(pixel_size_um / made_for - 1) > PIXEL_TOLERANCE:
            raise ModelError(
                f"This model was made for pixels of {made_for:g} um, the image has {pixel_size_um:g} um. "
                "Use a model for this magnification, or allow rescaling (--rescale)."
            )
        if pixel_size_um > coarsest * (1 + PIXEL_TOLERANCE):
            raise ModelError(
                f"Expected pixels of {coarsest:g} um or finer, got {pixel_size_um:g} um: "
                "coarser pixels lack the detail that this model reads."
            )


def _learned(header: ModelHeader, arrays: dict[str, NDArray[Any]]) -> tuple[Network, Familiarity, Intervals]:
    """What a model file holds beside its header."""
    weights = {k.removeprefix("network."): v for k, v in arrays.items() if k.startswith("network.")}
    network = build_network(header.network, n_bins=header.bins.count)
    try:
        network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        familiarity = Familiarity.from_arrays(arrays, usual_clipping=header.usual_clipping)
        intervals = Intervals.from_arrays(arrays)
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"its weights do not fit the network that its header names. "
            f"It was made by parfocal {header.package_version}; train again."
        ) from error
    return network, familiarity, intervals


def answer(probabilities: NDArray[np.float64], bins: BinSettings, *, how: str) -> tuple[float, float]:
    """Defocus and spread, both in um, of one distribution over bins.

    Parameters
    ----------
    probabilities : array, shape (bins,)
    bins : BinSettings
    how : str
        ``expectation``, or ``most_probable``.

    Notes
    -----
    The spread is that of a density that is constant inside each bin, and so at least width / sqrt(12): a
    network that is certain of its bin still does not know where in it the truth lies.

    Examples
    --------
    >>> answer(np.array([0.0, 1.0, 1.0, 0.0]) / 2, BinSettings(lowest_um=0, highest_um=3), how="expectation")
    (1.5, 0.5773502691896257)
    """
    centres_um = bins.centres_um
    mean = float(probabilities @ centres_um)
    spread = float(np.sqrt(probabilities @ (centres_um - mean) ** 2 + bins.width_um**2 / 12))
    if how == "most_probable":
        return float(centres_um[int(np.argmax(probabilities))]), spread
    return mean, spread
