"""io_uring(7): many datagrams in a few system calls. Neither libc nor Python has functions for it.

A socket that is received from stays so: the system puts each datagram into a buffer of ours, with
its source if we ask for it, and a completion says which. It does that only when we ask
(IORING_SETUP_DEFER_TASKRUN, Linux 6.1), so that nothing wakes a process that has decided to look
once in a millisecond. The layouts are those of linux/io_uring.h; rings are seen as numpy arrays, so
that all of a turn is written and read at once.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys

import numpy as np

_SETUP, _ENTER, _REGISTER = 425, 426, 427
"""The same numbers on every machine."""
_SETUP_FLAGS = (
    1 << 3  # CQSIZE: completions that a burst leaves behind must have room
    | 1 << 7  # SUBMIT_ALL: one datagram that can't be sent doesn't hold up the others
    | 1 << 9  # TASKRUN_FLAG: tells whether there is more to fetch
    | 1 << 12  # SINGLE_ISSUER
    | 1 << 13  # DEFER_TASKRUN
)
_PARAMETERS = np.dtype(
    [
        ("sq", "u4"),
        ("cq", "u4"),
        ("flags", "u4"),
        ("other", "u4", 7),
        ("sq_off", "u4", 10),
        ("cq_off", "u4", 10),
    ]
)
_HEAD, _TAIL = 0, 1
_SQ_FLAGS, _SQ_ARRAY = 4, 6
_CQ_ENTRIES, _CQ_FLAGS = 5, 6
"""Places in sq_off and cq_off."""
_SUBMISSION = np.dtype(
    [
        ("operation", "u1"),
        ("flags", "u1"),
        ("priority", "u2"),
        ("fd", "i4"),
        ("target", "u8"),
        ("address", "u8"),
        ("length", "u4"),
        ("message_flags", "u4"),
        ("mark", "u8"),
        ("group", "u2"),
        ("personality", "u2"),
        ("target_length", "u4"),
        ("rest", "u8", 2),
    ]
)
COMPLETION = np.dtype([("mark", "u8"), ("result", "i4"), ("flags", "u4")])
_BUFFER = np.dtype([("address", "u8"), ("length", "u4"), ("number", "u2"), ("tail", "u2")])
_SUBMISSIONS_AT = 0x1000_0000
_RECEIVE_MESSAGE, _SEND, _RECEIVE = 10, 26, 27
_MESSAGE = np.dtype(
    [
        ("name", "u8"),
        ("name_length", "u8"),
        ("vectors", "u8", 2),
        ("control", "u8", 2),
        ("flags", "u8"),
    ]
)
"""A msghdr, of which the system reads how long names may be."""
_BUFFER_SELECT, _SILENT_SUCCESS = 1 << 5, 1 << 6
_MULTISHOT = 1 << 1
_DONT_WAIT = 0x40
_GET_EVENTS = 1 << 0
_TO_FETCH = 1 << 2
_EVENT_FD_DISABLED = 1 << 0
_REGISTER_EVENT_FD, _REGISTER_BUFFERS, _CANCEL = 4, 22, 24
_CANCELLATION = np.dtype([("mark", "u8"), ("rest", "u4", 14)])

NAMES_AT = 16
"""Octets of an io_uring_recvmsg_out: where the source of a datagram stands in its buffer."""
HAS_BUFFER, GOES_ON = 1 << 0, 1 << 1
"""Flags of a completion."""
BUFFER_SHIFT = 16
SENT = np.uint64(1 << 63)
"""The mark of a send: it has a completion only if it failed."""
SUBMISSIONS, COMPLETIONS = 2048, 8192
MAX_FETCHES = 32
"""The system fetches at most 20 datagrams at once; it is asked this many times in one turn before
other work has its own."""
FETCHED_AT_ONCE = 20 * MAX_FETCHES
"""With fewer datagrams in a turn no more were there."""

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = [ctypes.c_long] * 7
_syscall.restype = ctypes.c_long


class Ring:
    """Sockets received from, and what is sent.

    Args:
        count, octets: buffers, and the size of each; what is longer is cut.
        name_octets: of the source of a datagram, where it is asked for.

    Raises:
        OSError: the system has none for us: too old, or not permitted.
    """

    def __init__(self, count: int, octets: int, name_octets: int) -> None:
        if sys.byteorder != "little" or not sys.platform.startswith("linux"):
            raise OSError(errno.ENOSYS, "not written for this system")
        parameters = np.zeros(1, _PARAMETERS)
        parameters["cq"], parameters["flags"] = COMPLETIONS, _SETUP_FLAGS
        self._fd = _call(_SETUP, SUBMISSIONS, parameters.ctypes.data)
        self._message = np.zeros(1, _MESSAGE)
        self._message["name_length"] = name_octets
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Gets an edge (EPOLLET) when something came since :meth:`rest`."""
        try:
            self._map(parameters[0])
            self._lend(count, octets)
            told = np.array([self.fd], np.int32)
            _call(_REGISTER, self._fd, _REGISTER_EVENT_FD, told.ctypes.data, 1)
        except BaseException:
            self.close()
            raise

    def _map(self, parameters: np.void) -> None:
        submissions, completions = int(parameters["sq"]), int(parameters["cq"])
        sq, cq = parameters["sq_off"].tolist(), parameters["cq_off"].tolist()
        end_of_array = sq[_SQ_ARRAY] + 4 * submissions
        end_of_entries = cq[_CQ_ENTRIES] + COMPLETION.itemsize * completions
        octets = max(end_of_array, end_of_entries)
        rings = mmap.mmap(self._fd, octets)
        numbers = np.frombuffer(rings, np.uint32, octets // 4)
        numbers[sq[_SQ_ARRAY] // 4 :][:submissions] = np.arange(submissions)
        self._flags = numbers[sq[_SQ_FLAGS] // 4 :][:1]
        self._tail = numbers[sq[_TAIL] // 4 :][:1]
        self._cq_head = numbers[cq[_HEAD] // 4 :][:1]
        self._cq_tail = numbers[cq[_TAIL] // 4 :][:1]
        self._cq_flags = numbers[cq[_CQ_FLAGS] // 4 :][:1]
        self._completions = np.frombuffer(rings, COMPLETION, completions, cq[_CQ_ENTRIES])
        entries = mmap.mmap(self._fd, submissions * _SUBMISSION.itemsize, offset=_SUBMISSIONS_AT)
        self._submissions = np.frombuffer(entries, _SUBMISSION, submissions)

    def _lend(self, count: int, octets: int) -> None:
        """Give the system buffers to receive into."""
        self.buffers = np.zeros((count, octets), np.uint8)
        self._buffers_at = self.buffers.ctypes.data
        self._lent = np.frombuffer(mmap.mmap(-1, count * _BUFFER.itemsize), _BUFFER)
        self._lent["length"] = octets
        self._lent_tail = self._lent["tail"][:1]  # shares the first entry's memory
        self._returned = 0
        order = np.zeros(5, np.uint64)
        order[0] = self._lent.ctypes.data
        order.view(np.uint32)[2] = count
        _call(_REGISTER, self._fd, _REGISTER_BUFFERS, order.ctypes.data, 1)
        self.give_back(np.arange(count))

    def close(self) -> None:
        """Give the ring's memory back to the system."""
        os.close(self._fd)
        os.close(self.fd)

    def give_back(self, numbers: np.ndarray) -> None:
        """Buffers that were read."""
        places = np.arange(self._returned, self._returned + len(numbers)) % len(self._lent)
        self._lent["address"][places] = self._buffers_at + numbers * self.buffers.shape[1]
        self._lent["number"][places] = numbers
        self._returned += len(numbers)
        self._lent_tail[0] = self._returned & 0xFFFF

    def receive(self, fds: np.ndarray, marks: np.ndarray, named: np.ndarray) -> None:
        """Receive from sockets until it fails or is cancelled; a completion for each datagram.

        Args:
            named: where true, the source stands in the buffer from NAMES_AT on, the datagram
                behind it.
        """
        orders = np.zeros(len(fds), _SUBMISSION)
        orders["operation"], orders["flags"] = _RECEIVE, _BUFFER_SELECT
        orders["operation"][named] = _RECEIVE_MESSAGE
        orders["address"][named] = self._message.ctypes.data
        orders["priority"] = _MULTISHOT
        orders["fd"], orders["mark"] = fds, marks
        self._submit(orders)

    def send(self, fds: np.ndarray, places: np.ndarray, lengths: np.ndarray) -> None:
        """Send what is in the buffers from connected sockets; it is copied before this returns.

        Args:
            places: octets from the beginning of the first buffer.
        """
        self._submit(self._sends(fds, places + self._buffers_at, lengths))

    def send_to(
        self,
        fds: np.ndarray,
        places: np.ndarray,
        lengths: np.ndarray,
        targets: np.ndarray,
        target_lengths: np.ndarray,
    ) -> None:
        """The same to addresses in memory; those at 0 are the peers of connected sockets."""
        orders = self._sends(fds, places + self._buffers_at, lengths)
        orders["target"], orders["target_length"] = targets, target_lengths
        self._submit(orders)

    @staticmethod
    def _sends(fds: np.ndarray, addresses: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        orders = np.zeros(len(fds), _SUBMISSION)
        orders["operation"], orders["flags"] = _SEND, _SILENT_SUCCESS
        orders["message_flags"], orders["mark"] = _DONT_WAIT, SENT
        orders["fd"], orders["address"] = fds, addresses
        orders["length"] = lengths
        return orders

    def send_octets(self, fds: list[int], packets: list[bytes]) -> None:
        """The same of octets that are in none of the buffers."""
        octets = np.frombuffer(b"".join(packets), np.uint8)
        lengths = np.fromiter(map(len, packets), np.int64, len(packets))
        addresses = lengths.cumsum() - lengths + octets.ctypes.data
        self._submit(self._sends(np.array(fds), addresses, lengths))

    def can_send_to(self, fd: int, target: bytes) -> bool:
        """True if the system sends to addresses (Linux 6.1); tried with an empty datagram. To be
        asked before anything is received."""
        address = np.frombuffer(target, np.uint8)
        order = self._sends(np.array([fd]), np.array([self._buffers_at]), np.array([0]))
        order["flags"] = 0
        order["target"], order["target_length"] = address.ctypes.data, len(target)
        self._submit(order)
        results: list[int] = self.completions()["result"].tolist()
        self.rest()
        return results == [0]

    def cancel(self, mark: int) -> None:
        """Receive no more; the last completion of the mark says so."""
        order = np.zeros(1, _CANCELLATION)
        order["mark"] = mark
        order["rest"][0, 0] = 0xFFFF_FFFF  # whatever the descriptor
        order["rest"][0, 2:6] = 0xFFFF_FFFF  # no time-out
        try:
            _call(_REGISTER, self._fd, _CANCEL, order.ctypes.data, 1)
        except FileNotFoundError:
            return  # it had failed already

    def _submit(self, orders: np.ndarray) -> None:
        for first in range(0, len(orders), SUBMISSIONS):
            part = orders[first : first + SUBMISSIONS]
            tail = int(self._tail[0])
            at = tail % SUBMISSIONS
            room = SUBMISSIONS - at
            self._submissions[at : at + len(part)] = part[:room]
            self._submissions[: max(0, len(part) - room)] = part[room:]
            self._tail[0] = tail + len(part) & 0xFFFF_FFFF
            self._enter(len(part), 0)

    def completions(self) -> np.ndarray:
        """Fetch what has come; what became of it. Nothing is told until :meth:`rest`."""
        self._cq_flags[0] = _EVENT_FD_DISABLED
        for _ in range(MAX_FETCHES):
            self._enter(0, _GET_EVENTS)
            if not self._flags[0] & _TO_FETCH:
                break
        head, tail = int(self._cq_head[0]), int(self._cq_tail[0])
        count, at = tail - head & 0xFFFF_FFFF, head % COMPLETIONS
        result = self._completions[at : at + count].copy()
        if len(result) < count:
            result = np.concatenate((result, self._completions[: count - len(result)]))
        self._cq_head[0] = tail
        return result

    def rest(self) -> None:
        """Be told when something comes, or has come meanwhile."""
        self._cq_flags[0] = 0
        if self._flags[0] & _TO_FETCH:
            os.eventfd_write(self.fd, 1)

    def _enter(self, submitted: int, flags: int) -> None:
        _call(_ENTER, self._fd, submitted, 0, flags)


def _call(number: int, first: int, *others: int) -> int:
    words = (*others, 0, 0, 0, 0, 0)[:5]
    result = int(_syscall(number, first, *words))
    if result < 0:
        fault = ctypes.get_errno()
        raise OSError(fault, os.strerror(fault))
    return result
