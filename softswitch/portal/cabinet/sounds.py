"""Sound files as pages play them: streamed with ranges, so that a player can jump."""

from __future__ import annotations

from anyio import Path
from starlette.responses import FileResponse, Response

from softswitch.control.errors import OperationError
from softswitch.portal.visit import Visit


async def stream(visit: Visit, operation: str, /, **arguments: object) -> Response:
    """The WAV file that an operation opens. Raises OperationError."""
    found = await visit.row(operation, **arguments)
    path = Path(str(found["path"]))
    if not await path.is_file():  # deleted meanwhile
        raise OperationError("page_not_found", path=visit.request.url.path)
    return FileResponse(path, media_type="audio/wav")
