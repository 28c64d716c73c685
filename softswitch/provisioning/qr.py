"""QR codes (ISO/IEC 18004) that a phone's camera reads from a screen."""

from __future__ import annotations

import io

import segno


def svg(text: str) -> str:
    """The QR code of a text as an SVG element; level M bears the reflections of a screen."""
    written = io.BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(written, kind="svg", scale=4, xmldecl=False, svgns=True, nl=False)
    return written.getvalue().decode("utf-8")


def data_uri(text: str) -> str:
    """The QR code of a text as the address of a picture (RFC 2397)."""
    return str(segno.make(text, error="m", micro=False).svg_data_uri(scale=4))
