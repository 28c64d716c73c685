"""The kernel's own view of a process's maps."""

import ctypes
import os
import struct
from pathlib import Path

from rtp.kernel import flows
from rtp.kernel.system import _attributes, _bpf

_NEXT_KEY, _FD_BY_ID = 4, 14
HASH_MAP = 1


def hash_maps(pid: int) -> list[int]:
    """Ids of the hash maps that a process has open."""
    found = []
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        said = dict(line.split(":", 1) for line in entry.read_text().splitlines() if ":" in line)
        if "map_id" in said and int(said["map_type"]) == HASH_MAP:
            found.append(int(said["map_id"]))
    return found


def entries(map_id: int) -> int:
    """The number of keys in a map of flows."""
    fd = _bpf(_FD_BY_ID, _attributes(struct.pack("=III", map_id, 0, 0)))
    key = ctypes.create_string_buffer(flows.KEY.size)
    after = ctypes.create_string_buffer(flows.KEY.size)
    count, start = 0, 0
    try:
        while True:
            asked = struct.pack("=IIQQ", fd, 0, start, ctypes.addressof(after))
            _bpf(_NEXT_KEY, _attributes(asked))
            key.raw, start = after.raw, ctypes.addressof(key)
            count += 1
    except FileNotFoundError:
        return count
    finally:
        os.close(fd)


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
