"""One header of a message dropped, emptied, doubled or filled with rubbish."""

from collections.abc import Iterator

RUBBISH = b'\xff;,<\\"@\x01'


def mangled(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every such message, each with its name, like "no Via"."""
    head, _, body = data.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    for index, line in enumerate(lines):
        name, _, value = line.partition(b":")
        variants = {
            "no": [],
            "empty": [name + b":"],
            "doubled": [line, line],
            "two different": [line, name + b": x" + value],
            "rubbish in": [name + b": " + RUBBISH],
            "rubbish after": [line + RUBBISH],
            "folded": [name + b":", b" " + value.strip()],
        }
        for how, replaced in variants.items():
            changed = [start, *lines[:index], *replaced, *lines[index + 1 :]]
            yield f"{how} {name.decode()}", b"\r\n".join(changed) + b"\r\n\r\n" + body
