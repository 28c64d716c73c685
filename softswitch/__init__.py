"""The switch: composes sip, rtp and billing into admission, calls, services and operations."""

from importlib import metadata


def version() -> str:
    """The version that is installed; "unknown" for source files that aren't installed."""
    try:
        return metadata.version("softswitch")
    except metadata.PackageNotFoundError:
        return "unknown"
