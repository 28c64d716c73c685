"""bpf(2), which neither libc nor Python has a function for.

The layouts are those of ``union bpf_attr`` in linux/bpf.h; what is left out at its end counts as 0.
Every function raises OSError as the kernel refuses.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import platform
import resource
import struct
import sys

_SYSCALLS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280}
_MAP_CREATE, _MAP_UPDATE, _MAP_DELETE, _PROG_LOAD, _TEST_RUN, _LINK_CREATE = 0, 2, 3, 5, 10, 28
_HASH, _ARRAY = 1, 2
_MMAPABLE = 1 << 10
_SCHED_CLS = 3
_TCX_INGRESS = 46
_NAME_OCTETS = 16
_LOG_OCTETS = 65_536
_TEST_OCTETS = 2048

_libc = ctypes.CDLL(None, use_errno=True)
_license = ctypes.create_string_buffer(b"Dual MIT/GPL")


def _bpf(command: int, attributes: ctypes.Array[ctypes.c_char]) -> int:
    number = _SYSCALLS.get(platform.machine())
    if number is None or sys.byteorder != "little" or not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, f"not written for {sys.platform} on {platform.machine()}")
    result = int(_libc.syscall(number, command, attributes, len(attributes)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _attributes(data: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(data, len(data))


def close(fd: int) -> None:
    """Close a descriptor of a map, program or link."""
    os.close(fd)


def allow_locked_memory() -> None:
    """Before Linux 5.11 maps count as locked memory, of which there is little by default."""
    with contextlib.suppress(OSError, ValueError):
        infinity = resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (infinity, infinity))


class HashMap:
    """Keys and values of fixed sizes.

    Args:
        name: as bpftool shows it.
    """

    def __init__(self, name: str, key_octets: int, value_octets: int, entries: int) -> None:
        self.fd = _create_map(name, _HASH, key_octets, value_octets, entries, 0)
        # Addresses stay the same, so that a call's set-up copies octets and nothing else.
        self._key = ctypes.create_string_buffer(key_octets)
        self._value = ctypes.create_string_buffer(value_octets)
        of_key = struct.pack("=IIQ", self.fd, 0, ctypes.addressof(self._key))
        self._removal = _attributes(of_key)
        self._update = _attributes(of_key + struct.pack("=QQ", ctypes.addressof(self._value), 0))

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key's value. Raises OSError when the map is full."""
        self._key.raw, self._value.raw = key, value
        _bpf(_MAP_UPDATE, self._update)

    def remove(self, key: bytes) -> None:
        """Remove an entry; a missing one is no error."""
        self._key.raw = key
        try:
            _bpf(_MAP_DELETE, self._removal)
        except FileNotFoundError:
            return

    def close(self) -> None:
        """Close the map; the kernel keeps it while a program uses it."""
        os.close(self.fd)


class MappedArray:
    """An array that is in this process's memory, too."""

    def __init__(self, name: str, octets: int, entries: int) -> None:
        self.fd = _create_map(name, _ARRAY, 4, octets, entries, _MMAPABLE)
        page = mmap.PAGESIZE
        self._memory = mmap.mmap(self.fd, -(-octets * entries // page) * page)
        self.view = memoryview(self._memory)

    def close(self) -> None:
        """Close the map; the kernel keeps it while a program uses it."""
        self.view.release()
        self._memory.close()
        os.close(self.fd)


def _create_map(name: str, kind: int, key: int, value: int, entries: int, flags: int) -> int:
    text = name.encode("ascii")[: _NAME_OCTETS - 1]
    return _bpf(
        _MAP_CREATE,
        _attributes(struct.pack("=IIIIIII16s", kind, key, value, entries, flags, 0, 0, text)),
    )


def load_program(name: str, code: bytes) -> int:
    """Its descriptor.

    Raises:
        OSError: with the verifier's last words, if it was that.
    """
    buffer = ctypes.create_string_buffer(code, len(code))

    def load(log: ctypes.Array[ctypes.c_char] | None) -> int:
        return _bpf(
            _PROG_LOAD,
            _attributes(
                struct.pack(
                    "=IIQQIIQII16s",
                    _SCHED_CLS,
                    len(code) // 8,
                    ctypes.addressof(buffer),
                    ctypes.addressof(_license),
                    0 if log is None else 1,
                    0 if log is None else len(log),
                    0 if log is None else ctypes.addressof(log),
                    0,
                    0,
                    name.encode("ascii")[: _NAME_OCTETS - 1],
                )
            ),
        )

    try:
        return load(None)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EACCES):
            raise
        refusal = error
    log = ctypes.create_string_buffer(_LOG_OCTETS)
    try:
        return load(log)
    except OSError:
        words = log.value.decode("ascii", "replace").strip().splitlines()
        said = next((line for line in reversed(words) if not line.startswith("processed")), "")
        number = refusal.errno
        assert number is not None
        raise OSError(number, f"{os.strerror(number)} {said}".strip()) from None


def attach_tcx(program: int, interface: int) -> int:
    """Have a program see what an interface receives, for as long as the returned descriptor (a
    link) is open. Linux 6.6 and later; EINVAL before."""
    return _bpf(
        _LINK_CREATE,
        _attributes(struct.pack("=IIIIIIQ", program, interface, _TCX_INGRESS, 0, 0, 0, 0)),
    )


def try_program(program: int, packet: bytes, context: bytes) -> tuple[int, bytes]:
    """Run a program on one made-up packet; returns its verdict and the resulting packet.

    Args:
        context: a ``struct __sk_buff``; most fields have to be 0.
    """
    data = ctypes.create_string_buffer(packet, len(packet))
    out = ctypes.create_string_buffer(_TEST_OCTETS)
    given = ctypes.create_string_buffer(context, len(context))
    request = _attributes(
        struct.pack(
            "=IIIIQQIIIIQQIII4x",
            program,
            0,
            len(packet),
            len(out),
            ctypes.addressof(data),
            ctypes.addressof(out),
            1,
            0,
            len(context),
            0,
            ctypes.addressof(given),
            0,
            0,
            0,
            0,
        )
    )
    _bpf(_TEST_RUN, request)
    verdict, length = struct.unpack_from("=i4xI", request.raw, 4)
    return verdict, out.raw[:length]
