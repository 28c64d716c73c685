"""Sound files as pages play them: streamed with ranges, so that a player can jump."""

from __future__ import annotations

from starlette.responses import FileResponse, Response

from softswitch.portal.visit import Visit


async def stream(visit: Visit, operation: str, /, **arguments: object) -> Response:
    """The WAV file that an operation opens. Raises OperationError."""
    found = await visit.row(operation, **arguments)
    return FileResponse(str(found["path"]), media_type="audio/wav")
