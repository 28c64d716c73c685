"""HTML to PDF. The one module that needs WeasyPrint (`pip install softswitch[pdf]`)."""

from __future__ import annotations

MISSING = (
    "PDF needs WeasyPrint and Pango: pip install softswitch[pdf], and on Debian "
    "apt-get install libpango-1.0-0 libpangoft2-1.0-0 fonts-noto-core"
)


class PdfMissing(Exception):
    """WeasyPrint isn't installed; one line that says how to install it."""


def render(html: str) -> bytes:
    """A page as PDF; nothing is fetched for it.

    Raises:
        PdfMissing: WeasyPrint or the libraries that it loads aren't there.
    """
    try:
        from weasyprint import HTML  # type: ignore[import-untyped]
        from weasyprint.urls import URLFetcher  # type: ignore[import-untyped]
    except (ImportError, OSError):
        raise PdfMissing(MISSING) from None
    nothing = URLFetcher(allowed_protocols=())
    data: bytes = HTML(string=html, url_fetcher=nothing).write_pdf()
    return data
