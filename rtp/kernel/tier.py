"""The kernel tier of one worker: its program, its maps, and which flows are in them.

Every port stays bound by the worker, and what the program doesn't take reaches the sockets. So a
flow may be put in and taken out at any time without losing a packet, and if this process dies its
program is gone with the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from rtp.kernel import flows, system
from rtp.kernel.assembler import assemble
from rtp.kernel.flows import AWAY, UP, Flow, Way
from rtp.kernel.netlink import ETHERNET, LOCAL, LOOPBACK_KIND, UNICAST, Route
from rtp.kernel.network import Clsact, Network, Tcx
from rtp.kernel.program import relay_program
from rtp.source import Counted

MAX_ROUTES = 8192
"""Kept answers; beyond it they are asked anew."""
CHECKED_AT_ONCE = 32
"""Flows that are checked in one turn after a route changed, so that sound isn't delayed ..."""
CHECK_REST = 4
"""... and after all of them it rests for so many times as long as that took, however often routes
change."""
SLOTS_PER_FLOW = 2
"""Freed slots rest behind the others, so that a program that still runs on another core never
counts in a slot that has got a new owner."""


class KernelUnavailable(Exception):
    """This machine has no kernel tier; one line with the reason."""


class Attachment(Protocol):
    """A way of attaching a program to interfaces."""

    name: str

    def attach(self, interface: int, program: int) -> None:
        """Attach a program to an interface. Raises OSError."""

    def detach(self, interface: int) -> None:
        """Detach the program from an interface."""


class InstalledFlow:
    """A flow in the kernel, and what is known already of its counts."""

    __slots__ = ("_known", "flow", "key", "session", "slot", "way")

    def __init__(self, flow: Flow, way: Way, key: bytes, slot: int, session: int) -> None:
        self.flow = flow
        self.way = way
        self.key = key
        self.slot = slot
        self.session = session
        self._known = (0, 0)

    def new(self, slots: memoryview) -> Counted:
        """Counts since they were taken last."""
        now = flows.counted(slots, self.slot, self.flow.clock_rate)
        packets, octets = self._known
        self._known = now.packets, now.octets
        return now._replace(packets=now.packets - packets, octets=now.octets - octets)

    @property
    def packets(self) -> int:
        """Counted so far, as known."""
        return self._known[0]


class KernelTier:
    """Flows in the kernel.

    Args:
        ports: first and last that flows may have.
        methods: of attaching; the first that works is taken.

    Raises:
        KernelUnavailable: no capability, or no such kernel.
    """

    def __init__(
        self, ports: tuple[int, int], methods: Sequence[type[Tcx] | type[Clsact]] = (Tcx, Clsact)
    ) -> None:
        entries = (ports[1] - ports[0]) // 2 + 1
        slots = SLOTS_PER_FLOW * entries
        try:
            system.allow_locked_memory()
            self._map = system.HashMap("relay_flows", flows.KEY.size, flows.VALUE.size, entries)
            self._slots = system.MappedArray("relay_slots", flows.SLOT.size, slots)
            code = assemble(relay_program(self._map.fd, self._slots.fd, ports))
            self._program = system.load_program("relay", code)
            self._network = Network()
        except OSError as error:
            raise KernelUnavailable(f"bpf(2): {error.strerror}{_advice(error)}") from None
        self.changes_fd = self._network.changes_fd
        self._attachment = self._choose(methods)
        self._attached: set[int] = {LOOPBACK}
        self._free = deque(range(slots))
        self._installed: dict[bytes, InstalledFlow] = {}
        self._routes: dict[tuple[str, str], Route | None] = {}
        self._kinds: dict[int, int] = {}
        self._useless: set[int] = set()
        self._unchecked: deque[InstalledFlow] = deque()
        self._changed = False
        self._check_began = self._check_at = 0.0
        self.refused = ""
        """Why the last flow that couldn't be installed wasn't."""

    def _choose(self, methods: Sequence[type[Tcx] | type[Clsact]]) -> Attachment:
        """The first method that works, shown on the loopback interface."""
        reasons = []
        for method in methods:
            try:
                attachment: Attachment = method(self._network)
                attachment.attach(LOOPBACK, self._program)
            except OSError as error:
                reasons.append(f"{method.name}: {error.strerror}{_advice(error)}")
            else:
                return attachment
        raise KernelUnavailable("; ".join(reasons))

    @property
    def method(self) -> str:
        """The way in which the program is attached."""
        return self._attachment.name

    def __len__(self) -> int:
        return len(self._installed)

    @property
    def interfaces(self) -> list[str]:
        """On which the program is, by name."""
        links = (self._network.link(index) for index in sorted(self._attached))
        return [link.name for link in links if link is not None]

    def close(self) -> None:
        """Detach: with the next packet everything is the sockets' again."""
        for interface in self._attached:
            self._attachment.detach(interface)
        self._attached.clear()
        self._network.close()
        self._slots.close()
        self._map.close()
        system.close(self._program)

    # Flows

    def install(self, flow: Flow, so_far: Counted, session: int) -> InstalledFlow | None:
        """Hand a flow to the kernel; None if it can't be, and `refused` says why.

        Args:
            so_far: of its stream, whose jitter goes on.
        """
        way = self._way(flow)
        if way is None:
            return None
        slot = self._free.popleft()
        start = slot * flows.SLOT.size
        self._slots.view[start : start + flows.SLOT.size] = flows.slot_of(so_far, flow.clock_rate)
        installed = InstalledFlow(flow, way, flows.key_of(flow.local), slot, session)
        try:
            self._map.put(installed.key, flows.value_of(flow, way, slot))
        except OSError as error:
            self._free.append(slot)
            self.refused = f"the map of flows: {error.strerror}"
            return None
        self._installed[installed.key] = installed
        return installed

    def remove(self, installed: InstalledFlow) -> Counted:
        """Take a flow back; what was counted since the last time."""
        self._map.remove(installed.key)
        del self._installed[installed.key]
        self._free.append(installed.slot)
        return installed.new(self._slots.view)

    def news(self, installed: InstalledFlow) -> Counted:
        """Counts of a flow since they were taken last."""
        return installed.new(self._slots.view)

    def passes_by(self, installed: InstalledFlow) -> None:
        """A flow's packets reach the sockets though it is installed: its interface isn't one on
        which the program sees them, unless others show that it is."""
        interface = installed.way.in_interface
        for other in self._installed.values():
            if other.way.in_interface == interface and other.packets:
                return
        self._useless.add(interface)
        self.refused = f"{self._name(interface)}: packets pass the program by"

    # Ways

    def _way(self, flow: Flow) -> Way | None:
        if not flows.can_be_told(flow):
            self.refused = "both sides have to be IPv4, or IPv6 with addresses of global meaning"
            return None
        inward = self._route(flow.source[0], flow.local[0])
        outward = self._route(flow.target[0], flow.out_local[0])
        if inward is None or outward is None:
            self.refused = f"no route to {flow.source[0]} or {flow.target[0]}"
            return None
        if inward.kind != outward.kind or inward.kind not in (UNICAST, LOCAL):
            self.refused = f"only one of {flow.source[0]} and {flow.target[0]} is this machine"
            return None
        if inward.kind == LOCAL:
            way = Way(LOOPBACK, LOOPBACK, UP)  # whatever interface the address belongs to
        else:
            way = Way(inward.interface, outward.interface, AWAY)
        return way if self._can_go(way) else None

    def _can_go(self, way: Way) -> bool:
        """True if the program sees packets that arrive there, and can send where they must go."""
        for interface in (way.in_interface, way.out_interface):
            if self._kind(interface) not in (ETHERNET, LOOPBACK_KIND):
                self.refused = f"{self._name(interface)}: its packets have no Ethernet header"
                return False
        return way.in_interface not in self._useless and self._attach(way.in_interface)

    def _route(self, destination: str, source: str) -> Route | None:
        asked = destination, source
        if asked not in self._routes:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            self._routes[asked] = self._network.route(destination, source)
        return self._routes[asked]

    def _kind(self, interface: int) -> int:
        if interface not in self._kinds:
            link = self._network.link(interface)
            self._kinds[interface] = -1 if link is None else link.kind
        return self._kinds[interface]

    def _name(self, interface: int) -> str:
        link = self._network.link(interface)
        return f"interface {interface}" if link is None else link.name

    def _attach(self, interface: int) -> bool:
        if interface in self._attached:
            return True
        try:
            self._attachment.attach(interface, self._program)
        except OSError as error:
            self._useless.add(interface)
            self.refused = f"{self._name(interface)}: {error.strerror}"
            return False
        self._attached.add(interface)
        return True

    # Changes

    def network_changed(self) -> None:
        """`changes_fd` was readable."""
        self._changed = self._network.changed() or self._changed

    @property
    def check_due_at(self) -> float | None:
        """Monotonic seconds at which :meth:`moved` is due; None until something changes."""
        if self._unchecked:
            return 0.0
        return self._check_at if self._changed else None

    def moved(self, now: float) -> Iterator[InstalledFlow]:
        """Flows to take back since their route changed; each call looks at some of them."""
        if self._changed and not self._unchecked and now >= self._check_at:
            self._changed = False
            self._check_began = now
            self._begin_to_check()
        if not self._unchecked:
            return
        for _ in range(min(CHECKED_AT_ONCE, len(self._unchecked))):
            installed = self._unchecked.popleft()
            if self._installed.get(installed.key) is not installed:
                continue
            if self._way(installed.flow) != installed.way:
                yield installed
        self._check_at = now + CHECK_REST * (now - self._check_began)

    def _begin_to_check(self) -> None:
        """Interfaces, addresses or routes changed: everything is looked at again, bit by bit."""
        self._routes.clear()
        self._kinds.clear()
        self._useless.clear()
        for interface in [i for i in self._attached if self._network.link(i) is None]:
            self._attachment.detach(interface)
            self._attached.discard(interface)
        self._unchecked = deque(self._installed.values())


LOOPBACK = 1
"""The index of the loopback interface, in every network namespace."""


def _advice(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return " (CAP_BPF and CAP_NET_ADMIN are needed)"
    return ""
