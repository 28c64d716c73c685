"""The calls that live now: by id, by the lines that take part, by the accounts that pay."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip.dialog import DialogId
from softswitch.call.charging.accounting import Record
from softswitch.call.letters import HangUp
from softswitch.subscribers.directory import Line

if TYPE_CHECKING:
    from softswitch.call.call import Call


class LiveCalls:
    """Each call from its INVITE until it is settled; each in a task of its own.

    A call is found by a line or an account only once it was admitted as theirs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._of_line: dict[int, list[Call]] = {}
        """Lists, since a line has few calls at once, and a dict for one takes three times the
        octets. An account may have thousands."""
        self._of_account: dict[int, dict[str, Call]] = {}
        self.by_id: dict[str, Call] = {}
        self.draining = False
        """True once no call may begin any more; those that live go on."""

    def begin(self, call: Call) -> None:
        self.by_id[call.id] = call
        call.task = self._loop.create_task(call.run(), name="call")

    def admitted(self, call_id: str, record: Record) -> None:
        """A leg of these lines and this payer belongs to the call, unless that is over."""
        call = self.by_id.get(call_id)
        if call is None:
            return
        parties, account = call.parties, record.account
        for line_id in record.line_ids:
            parties.add_line(line_id)
        self.changed(call)
        if account is not None:
            self._of_account.setdefault(account, {})[call_id] = call

    def changed(self, call: Call) -> None:
        """The state of the call has changed, or more lines take part in it than before."""
        parties = call.parties
        if parties.grown:
            parties.grown = False
            for line_id in parties.line_ids:
                calls = self._of_line.get(line_id)
                if calls is None:
                    self._of_line[line_id] = [call]
                elif call not in calls:
                    calls.append(call)

    def left(self, call: Call, line: Line) -> None:
        """A line takes no part in the call any more."""
        self._left(line.id, call)

    def ended(self, call: Call) -> None:
        call_id, of_account = call.id, self._of_account
        self.by_id.pop(call_id, None)
        for line_id in call.parties.line_ids:
            self._left(line_id, call)
        for record in call.payers.records:
            account = record.account
            if account is not None and (paid := of_account.get(account)):
                paid.pop(call_id, None)
                if not paid:
                    del of_account[account]

    def _left(self, line_id: int, call: Call) -> None:
        calls = self._of_line.get(line_id)
        if calls == [call]:  # as nearly always
            del self._of_line[line_id]
        elif calls is not None and call in calls:
            calls.remove(call)

    def ringing_in(self, dialog: DialogId) -> Call | None:
        """The call of which a phone rings in this dialog; looks at all of them."""
        for call in self.by_id.values():
            if call.rings_in(dialog):
                return call
        return None

    def of_line(self, line: Line) -> list[Call]:
        return list(self._of_line.get(line.id, ()))

    def count_of_line(self, line: Line) -> int:
        return len(self._of_line.get(line.id, ()))

    def outgoing_of_account(self, account: int) -> int:
        """The number of legs that an account pays for now."""
        return sum(
            record.account == account and record.direction != "incoming"
            for call in self._of_account.get(account, {}).values()
            for record in call.payers.records
        )

    def count_of_trunk(self, name: str) -> int:
        """The number of calls that use a trunk; looks at all of them."""
        return sum(
            any(record.trunk == name for record in call.payers.records)
            for call in self.by_id.values()
        )

    def end_unanswered(self) -> None:
        """End the calls that nobody has answered yet, since the switch stops; their callers get
        480."""
        for call in list(self.by_id.values()):
            if not call.answered:
                call.post(HangUp("restart"))

    async def all_ended(self) -> None:
        """Wait until the last call has ended and is settled."""
        while tasks := [call.task for call in self.by_id.values() if not call.task.done()]:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
