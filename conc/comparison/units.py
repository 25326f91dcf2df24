"""Figures as people read them."""

from __future__ import annotations


def seconds(value: float | None) -> str:
    """Three digits and the unit that suits: ``1.23 s``, ``45.6 ms``, ``7.89 µs``."""
    if value is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if value >= scale * 0.9995:
            return f"{_digits(value / scale)} {unit}"
    return f"{_digits(value * 1e6)} µs"


def size(value: int | None) -> str:
    """Bytes in binary units: ``12.3 MiB``."""
    if value is None:
        return "-"
    amount = float(value)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1023.5:
            return f"{_digits(amount)} {unit}" if unit != "B" else f"{value} B"
        amount /= 1024
    return f"{_digits(amount)} GiB"


def percent(share: float | None) -> str:
    """A share of one, as in ``±2.1%``'s number."""
    return "-" if share is None else f"{share * 100:.1f}%"


def _digits(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
