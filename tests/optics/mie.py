"""Light scattered by a sphere, exactly: the Mie series.

Source and notation: Bohren & Huffman, *Absorption and Scattering of Light by Small Particles* (1983), ch. 4.
`x` is the size parameter ``2 pi n_medium radius / wavelength``, `m` the sphere's index over the medium's; a
positive imaginary part absorbs. ``S`` is the amplitude of ``exp(i k r) / (-i k r)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import spherical_jn, spherical_yn


def coefficients(x: float, m: complex) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Coefficients a_n and b_n of the scattered field (eq. 4.88), from n = 1."""
    n = np.arange(1, int(np.ceil(x + 4.05 * x ** (1 / 3) + 2)) + 1)
    psi, psi_before = x * spherical_jn(n, x), x * spherical_jn(n - 1, x)
    xi = psi + 1j * x * spherical_yn(n, x)
    xi_before = psi_before + 1j * x * spherical_yn(n - 1, x)
    D = _logarithmic_derivative(m * x, len(n))
    electric, magnetic = D / m + n / x, D * m + n / x
    a = (electric * psi - psi_before) / (electric * xi - xi_before)
    b = (magnetic * psi - psi_before) / (magnetic * xi - xi_before)
    return a, b


def _logarithmic_derivative(z: complex, n_most: int) -> NDArray[np.complex128]:
    """Of psi_n at z, n = 1 ... n_most, by downward recurrence (eq. 4.89)."""
    # A start from zero is forgotten only above |z|; the book's 15 terms are too few for large spheres.
    start = int(max(n_most, abs(z) + 8 * abs(z) ** (1 / 3))) + 16
    D = np.zeros(start + 1, np.complex128)
    for n in range(start, 0, -1):
        D[n - 1] = n / z - 1 / (D[n] + n / z)
    return D[1 : n_most + 1]


def efficiencies(x: float, m: complex) -> tuple[float, float]:
    """Cross sections for extinction and for scattering over that of the sphere (eqs. 4.61 and 4.62)."""
    a, b = coefficients(x, m)
    weight = 2 * np.arange(1, len(a) + 1) + 1
    extinction = 2 / x**2 * np.sum(weight * (a + b).real)
    scattering = 2 / x**2 * np.sum(weight * (abs(a) ** 2 + abs(b) ** 2))
    return float(extinction), float(scattering)


def amplitudes(
    x: float, m: complex, angles_rad: ArrayLike
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """S1 and S2, for polarisations across and in the plane of scattering (eq. 4.74), at angles (N,)."""
    a, b = coefficients(x, m)
    cosine = np.cos(np.asarray(angles_rad, np.float64))
    S1, S2 = np.zeros((2, *cosine.shape), np.complex128)
    pi_before, pi = np.zeros_like(cosine), np.ones_like(cosine)
    for n in range(1, len(a) + 1):
        tau = n * cosine * pi - (n + 1) * pi_before
        weight = (2 * n + 1) / (n * (n + 1))
        S1 += weight * (a[n - 1] * pi + b[n - 1] * tau)
        S2 += weight * (a[n - 1] * tau + b[n - 1] * pi)
        pi_before, pi = pi, ((2 * n + 1) * cosine * pi - (n + 1) * pi_before) / n
    return S1, S2
