"""Which lanes of a worker the kernel has taken over.

A lane is handed over when it is opened and taken back when it is closed, so everything that takes a
call out of the relay (music, a recording, another peer) takes it out of the kernel as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from rtp.control import Start
from rtp.kernel.flows import Flow
from rtp.kernel.probe import probe
from rtp.kernel.tier import InstalledFlow, KernelTier, KernelUnavailable
from rtp.latch import Address
from rtp.relay import RelaySide
from rtp.source import Counted

PASSING_BY_PACKETS = 100
"""After this many packets at the socket of a flow with none counted by the kernel, the flow is
taken out: the kernel program doesn't see its packets."""


class _Lane:
    """A lane in the kernel."""

    __slots__ = ("before", "fast_path", "fd", "flow", "side", "stream")

    def __init__(self, fast_path: FastPath, fd: int, flow: InstalledFlow, side: RelaySide) -> None:
        self.fast_path = fast_path
        self.fd = fd
        self.flow = flow
        self.side = side
        self.stream = side.stream
        self.before = side.stream.packets

    def news(self) -> Counted:
        return self.fast_path.news(self)


class FastPath:
    """The kernel tier of a worker, or the reason why there is none."""

    def __init__(self, start: Start) -> None:
        self.problem = "" if start.fast_path else 'off: [media] fast_path = "off"'
        self._tier: KernelTier | None = None
        self._lanes: dict[int, _Lane] = {}
        self._passed_by: list[_Lane] = []
        if start.fast_path:
            self._open((start.first_port, start.last_port))

    def _open(self, ports: tuple[int, int]) -> None:
        try:
            tier = KernelTier(ports)
            try:
                probe(tier, ports)
            except KernelUnavailable:
                tier.close()
                raise
        except KernelUnavailable as why:
            self.problem = str(why)
        else:
            self._tier = tier

    def close(self) -> None:
        """Detach the program and forget its flows."""
        if self._tier is not None:
            self._tier.close()

    @property
    def method(self) -> str:
        """The way in which the program is attached; empty without a kernel tier."""
        return "" if self._tier is None else self._tier.method

    @property
    def changes_fd(self) -> int | None:
        """Readable when :meth:`network_changed` should be called."""
        return None if self._tier is None else self._tier.changes_fd

    def __len__(self) -> int:
        return len(self._lanes)

    def has(self, fd: int) -> bool:
        """True if the lane of this socket is in the kernel."""
        return fd in self._lanes

    @property
    def interfaces(self) -> list[str]:
        """Names of the interfaces that the program is attached to."""
        return [] if self._tier is None else self._tier.interfaces

    @property
    def refused(self) -> str:
        """Why the last lane that stayed with the sockets did."""
        return self.problem if self._tier is None else self._tier.refused

    # Lanes

    def take(
        self,
        fd: int,
        session: int,
        side: RelaySide,
        way_in: tuple[Address, Address],
        way_out: tuple[Address, Address],
    ) -> None:
        """Hand a lane to the kernel, if it can be.

        Args:
            fd: of the socket that its packets would come to.
            side: whose packets they are.
            way_in: our address and the peer's.
            way_out: our address towards the other peer, and that peer's.
        """
        if self._tier is None:
            return
        stream = side.stream
        if not side.renumbering.keys() <= side.event_numbers or len(side.renumbering) > 1:
            return  # the program changes no payload type; it can leave one to the worker
        left_to_us = next(iter(side.renumbering), side.formats.event_payload_type)
        flow = Flow(*way_in, *way_out, left_to_us, stream.clock_rate)
        installed = self._tier.install(flow, stream.so_far(), session)
        if installed is not None:
            lane = _Lane(self, fd, installed, side)
            self._lanes[fd] = lane
            side.in_kernel = True
            stream.elsewhere = lane.news

    def take_back(self, fd: int) -> None:
        """Its packets come to the socket again."""
        lane = self._lanes.pop(fd, None)
        if lane is not None and self._tier is not None:
            lane.side.in_kernel = False
            lane.stream.elsewhere = None
            lane.stream.absorb(self._tier.remove(lane.flow))

    def news(self, lane: _Lane) -> Counted:
        """Counts of a lane since they were taken last."""
        assert self._tier is not None
        counted = self._tier.news(lane.flow)
        came_by = lane.stream.packets - lane.before
        if not lane.flow.packets and came_by >= PASSING_BY_PACKETS:
            self._passed_by.append(lane)
        return counted

    # Changes

    def network_changed(self) -> None:
        """Note that routes, links or neighbours changed."""
        if self._tier is not None:
            self._tier.network_changed()

    @property
    def check_due_at(self) -> float | None:
        """Monotonic seconds at which :meth:`to_renew` is due; None while there is nothing to
        look at."""
        if self._passed_by:
            return 0.0
        return None if self._tier is None else self._tier.check_due_at

    def to_renew(self, now: float) -> Iterator[int]:
        """Sessions whose lanes have to be opened anew: their way is another one now, or doesn't
        lead by the kernel."""
        if self._tier is None:
            return
        passed_by, self._passed_by = self._passed_by, []
        for lane in passed_by:
            if self._lanes.get(lane.fd) is lane and not lane.flow.packets:
                self._tier.passes_by(lane.flow)
                yield lane.flow.session
        for installed in self._tier.moved(now):
            yield installed.session
