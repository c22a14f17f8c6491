# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Functions that NumPy has not; SciPy is imported when the first of them is used."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from diag.model.compute.dtypes import Array

SQRT_HALF: Final = 0.7071067811865476
INV_SQRT_2PI: Final = 0.3989422804014327
_TANH_SCALE: Final = 0.7978845608028654
_TANH_CUBE: Final = 0.044715


def _scipy(name: str, values: Array) -> Array:
    import scipy.special  # noqa: PLC0415 - 0.2 s and 30 MB that most workers never need

    function: Any = getattr(scipy.special, name)
    result: Array = function(values)
    return result


def erf(a: Array) -> Array:
    """Error function."""
    return _scipy("erf", a)


def erfc(a: Array) -> Array:
    """Complementary error function."""
    return _scipy("erfc", a)


def erfinv(a: Array) -> Array:
    """Inverse error function."""
    return _scipy("erfinv", a)


def lgamma(a: Array) -> Array:
    """Log |gamma(a)|."""
    return _scipy("gammaln", a)


def digamma(a: Array) -> Array:
    """Derivative of lgamma."""
    return _scipy("digamma", a)


def sigmoid(a: Array) -> Array:
    """1/(1+exp(-a)); exp overflows to infinity, which gives the right 0."""
    result: Array = 1 / (1 + np.exp(-a))
    return result


def phi(a: Array) -> Array:
    """Cumulative distribution of the standard normal, accurate in both tails."""
    return 0.5 * erfc(a * -SQRT_HALF)


def gelu(a: Array) -> Array:
    """A * Phi(a)."""
    return a * phi(a)


def gelu_tanh(a: Array) -> Array:
    """The tanh approximation of gelu."""
    inner = _TANH_SCALE * (a + _TANH_CUBE * a * a * a)
    result: Array = 0.5 * a * (1 + np.tanh(inner))
    return result


def gelu_backward(gradient: Array, a: Array) -> Array:
    """Gradient of gelu at input `a`."""
    density = INV_SQRT_2PI * np.exp(-0.5 * a * a)
    result: Array = gradient * (phi(a) + a * density)
    return result


def gelu_tanh_backward(gradient: Array, a: Array) -> Array:
    """Gradient of gelu_tanh at input `a`."""
    tanh = np.tanh(_TANH_SCALE * (a + _TANH_CUBE * a * a * a))
    slope = _TANH_SCALE * (1 + 3 * _TANH_CUBE * a * a)
    result: Array = gradient * (0.5 * (1 + tanh) + 0.5 * a * (1 - tanh * tanh) * slope)
    return result


def silu_backward(gradient: Array, a: Array) -> Array:
    """Gradient of a*sigmoid(a) at input `a`."""
    s = sigmoid(a)
    result: Array = gradient * s * (1 + a * (1 - s))
    return result
