"""The completion desk: notes when a callee has returned, and carries out what is then due, one
caller at a time.

A callee returns when a call of its line has ended, or when a phone of it has registered: anew if
the line was busy, or at all if it could not be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from msgspec import structs

from softswitch.admission.caller_id import Identity, identity_of
from softswitch.call.call import Call
from softswitch.call.context import CallContext
from softswitch.call.ending import Ending
from softswitch.call.live_calls import LiveCalls
from softswitch.completion import texts
from softswitch.completion.callback import CallbackCall, PlacedCall, ShortRing
from softswitch.completion.queue import WaitingQueue
from softswitch.completion.waiting import Reason, State, Waiting, Windows, why_not
from softswitch.config.completion import CompletionSection
from softswitch.subscribers.directory import Line
from softswitch.subscribers.refusal import Refusal
from softswitch.texting.own_texts import CallNotice

SendNotice = Callable[[Line, CallNotice, Callable[[bool], None]], None]
"""Sends a notice about a call to a line; see :meth:`softswitch.texting.own_texts.OwnTexts.send`."""
ENGAGED = frozenset({16, 19})
"""Q.850 causes of unanswered calls in which the called phone did ring until the end."""


class CompletionDesk:
    """Completes calls.

    Args:
        send: sends notices to lines.
        context: works for the calls that the desk places.
        zone: the operator's time zone.
        language: of texts to lines that have none of their own.
    """

    def __init__(
        self,
        queue: WaitingQueue,
        settings: CompletionSection,
        send: SendNotice,
        context: CallContext,
        calls: LiveCalls,
        *,
        zone: str,
        language: str,
    ) -> None:
        self.queue = queue
        self._settings = settings
        self._windows = Windows.of(settings)
        self._send = send
        self._zone = zone
        self._language = language
        self._context = context
        self._calls = calls
        self._deciding: set[str] = set()
        """Ids of requests whose caller is being asked now."""
        self._texting: set[str] = set()
        """Ids of requests for which a notice is being stored."""
        self._under_way: set[int] = set()
        """Callees that are rung, or talk, for a caller that waited."""
        self._returned: dict[tuple[int, Reason], int] = {}
        """The last return of each callee; epoch milliseconds."""

    def resume(self) -> None:
        """Continue after a restart, which has ended all calls."""
        for callee_id in {waiting.callee_id for waiting in self.queue}:
            self._is_back(callee_id, "busy")

    async def take_over(self, node: str) -> int:
        """Serve those who waited at a node that died, whose calls are ended; how many they are.

        Raises:
            SQLAlchemyError: the database fails.
        """
        taken = await self.queue.take_over(node)
        if taken:
            self.resume()
        return taken

    @property
    def answers(self) -> bool:
        """True if a caller is answered in order to be asked."""
        return self._settings.offer == "answered"

    # What calls ask and tell

    def offerable(self, caller: Line, callee: Line, reason: Reason, by_text: bool) -> bool:
        """True if completion may be offered (D9)."""
        if not self._settings.enabled or not self.queue.takes(caller.id, callee.id):
            return False
        return why_not(caller, callee, reason, by_text=by_text) is None

    def add(
        self, caller: Line, callee: Line, number: str, shown: bool, reason: Reason, state: State
    ) -> Waiting:
        """Add a request: the caller's attempt failed just now."""
        context = self._context
        now = context.clock.wall_ms()
        waiting = Waiting(
            context.signalling.agent.stack.token(),
            caller.id,
            callee.id,
            number,
            shown,
            reason,
            state,
            now,
            now,
        )
        self.queue.put(waiting)
        return waiting

    def ask(self, waiting: Waiting) -> None:
        """Suspend a request while its caller is being asked."""
        self._deciding.add(waiting.id)

    async def accept(self, waiting: Waiting) -> None:
        """Accept the offer to connect the caller; on disk when this returns."""
        if self.queue.get(waiting) is not None:
            self.queue.put(replace(waiting, state="accepted"))
        await self.queue.written()

    def decided(self, waiting: Waiting) -> None:
        """Resume a request: its caller has decided or hung up."""
        self._deciding.discard(waiting.id)
        self._serve(waiting.callee_id)

    def ended(self, call: Call, end: Ending) -> None:
        """Note the end of a call: its lines may be free now, and others may wait for them."""
        if isinstance(call, PlacedCall):
            self._placed_over(call)
        if not self.queue and call.legs.diverted_as is None:
            return  # as mostly: no caller waits, and no request is to be made
        caller, callee = call.line_of("a"), call.line_of("b")
        if end.status == 200 and caller is not None:
            self._reached(call, caller, callee)
        if callee is None and end.status != 200 and end.cause in ENGAGED:
            rung = call.context.admission.stages.directory.line_by_number(call.record.called)
            callee = rung if rung is not None and rung.id in call.parties.line_ids else None
        if caller is not None:
            self.call_ended(caller)
        if callee is not None and (caller is None or callee.id != caller.id):
            self.call_ended(callee)

    def call_ended(self, line: Line) -> None:
        """Note that a call of a line has ended, here or at another node: it may be free now."""
        if self.queue.concerns(line.id) and self._calls.count_of_line(line) == 0:
            self._is_back(line.id, "busy")
            self._is_back(line.id, "unreachable")
            self._is_free(line.id)

    def registered(self, line: Line, *, anew: bool) -> None:
        """Note that a phone of the line registered."""
        if not self.queue.concerns(line.id):
            return
        self._is_back(line.id, "unreachable")
        if anew:
            self._is_back(line.id, "busy")
        self._is_free(line.id)

    def replied(self, line: Line, number: str, body: bytes) -> bool:
        """True if a text accepts an offer by text; it is then not delivered."""
        callee = self._context.admission.stages.directory.line_by_number(number)
        if callee is None or body.strip() != texts.ACCEPTS:
            return False
        waiting = self.queue.between(line.id, callee.id)
        now = self._context.clock.wall_ms()
        if waiting is None or waiting.state != "offered":
            return False
        if waiting.action(now, self._windows) == "forget":
            self.queue.remove(waiting)
            return False
        self.take(replace(waiting, state="accepted", since=now))
        return True

    def take(self, accepted: Waiting) -> None:
        """Connect a caller that accepted an offer, as soon as both lines are free."""
        self.queue.put(accepted)
        self._serve(accepted.callee_id)

    # Who is there

    def _is_back(self, callee_id: int, reason: Reason) -> None:
        if self.queue.waits_for(callee_id):
            self._returned[callee_id, reason] = self._context.clock.wall_ms()
            self._serve(callee_id)

    def _is_free(self, caller_id: int) -> None:
        """A line that waits may be called back now, or told by text."""
        for waiting in self.queue.of(caller_id):
            self._serve(waiting.callee_id)

    def _reached(self, call: Call, caller: Line, callee: Line | None) -> None:
        """End the requests of a caller that has talked with the callee. If a mailbox or forwarding
        took the call, the caller is told by text when the callee returns (D6)."""
        called = call.context.admission.stages.directory.line_by_number(call.record.called)
        if called is None:
            return
        waiting = self.queue.between(caller.id, called.id)
        if callee is not None and callee.id == called.id:
            if waiting is not None:
                self.queue.remove(waiting)
            return
        reason = call.legs.diverted_as
        if reason not in ("busy", "unreachable") or not self.offerable(
            caller, called, reason, by_text=True
        ):
            return
        shown = call.identity("a").presented is not None
        self.add(caller, called, call.record.called, shown, reason, "to_offer")

    # What is due

    def _serve(self, callee_id: int, besides: str = "") -> None:
        """Carry out what the callee's return makes due, in the order of the queue.

        Args:
            besides: the id of a request that was tried just now.
        """
        if self._calls.draining:
            return
        directory = self._context.admission.stages.directory
        callee = directory.line(callee_id)
        for waiting in self.queue.waits_for(callee_id):
            caller = directory.line(waiting.caller_id)
            if caller is None or callee is None:
                self.queue.remove(waiting)
            elif waiting.id not in self._deciding and waiting.id != besides:
                self._do(waiting, caller, callee)
        if not self.queue.waits_for(callee_id):
            self._returned.pop((callee_id, "busy"), None)
            self._returned.pop((callee_id, "unreachable"), None)

    def _do(self, waiting: Waiting, caller: Line, callee: Line) -> None:
        back = self._returned.get((callee.id, waiting.reason), 0) >= waiting.asked_at
        action = waiting.action(self._context.clock.wall_ms(), self._windows)
        if action == "forget":
            self.queue.remove(waiting)
        elif waiting.state == "accepted" and action == "connect":
            # A caller who accepted by text did so after the return.
            if (back or waiting.since > waiting.asked_at) and self._is_free_to_talk(callee):
                self._connect(waiting, caller, callee)
        elif not back:
            return
        elif action == "ring" and self._is_free_to_talk(callee):
            self._ring(waiting, caller, callee)
        elif action == "tell":
            number = self._shown(waiting, caller).presented
            words = texts.missed(
                callee.language or self._language, number, waiting.asked_at, self._zone
            )
            notice = CallNotice(f"missed:{waiting.id}", number or "", words)
            self._notify(waiting, callee, notice, None)
        elif action == "offer":
            words = texts.back(caller.language or self._language, waiting.number)
            number, window = identity_of(callee).presented, self._windows.connect_ms
            notice = CallNotice(f"back:{waiting.id}", number or "", words, window, by_mail=False)
            now = self._context.clock.wall_ms()
            self._notify(waiting, caller, notice, replace(waiting, state="offered", since=now))

    def _is_free_to_talk(self, line: Line) -> bool:
        stages = self._context.admission.stages
        if line.id in self._under_way or stages.calls_of(line):
            return False
        try:
            found = stages.to_line(line.number)
        except Refusal:
            return False
        return found.forward is None and bool(found.bindings)

    def _connect(self, waiting: Waiting, caller: Line, callee: Line) -> None:
        if why_not(caller, callee, waiting.reason, by_text=True) is not None:
            self.queue.remove(waiting)
        elif self._is_free_to_talk(caller):
            self._under_way |= {caller.id, callee.id}
            seconds = float(self._settings.call_back_seconds)
            self._calls.begin(CallbackCall(self._context, waiting, caller, callee, seconds))

    def _ring(self, waiting: Waiting, caller: Line, callee: Line) -> None:
        if why_not(caller, callee, waiting.reason, by_text=True) is not None:
            self.queue.remove(waiting)
            return
        self._under_way.add(callee.id)
        seconds = self._settings.ring_milliseconds / 1000
        shown = self._shown(waiting, caller)
        self._calls.begin(ShortRing(self._context, waiting, caller, callee, shown, seconds))

    def _shown(self, waiting: Waiting, caller: Line) -> Identity:
        own = Identity(caller.number, caller.display_name, caller.number)
        return own if waiting.shown else structs.replace(own, presented=None)

    def _notify(self, waiting: Waiting, to: Line, notice: CallNotice, then: Waiting | None) -> None:
        """Send a notice; when it is stored, replace the request by `then`, or remove it."""
        if waiting.id in self._texting:
            return

        def told(sent: bool) -> None:
            self._texting.discard(waiting.id)
            if not sent or self.queue.get(waiting) != waiting:
                return
            if then is None:
                self.queue.remove(waiting)
            else:
                self.queue.put(then)

        self._texting.add(waiting.id)
        self._send(to, notice, told)

    def _placed_over(self, call: PlacedCall) -> None:
        waiting = call.waiting
        self._under_way.discard(waiting.callee_id)
        if isinstance(call, CallbackCall):
            self._under_way.discard(waiting.caller_id)
        if call.done:
            self.queue.remove(waiting)
        self._serve(waiting.callee_id, besides=waiting.id)
