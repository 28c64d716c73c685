"""A user agent that a stranger knocks at."""

from conversation import BOB, Conversation

from sip.events import Received
from sip.flow import Flow
from sip.message import Response
from sip.reading import parse_message

STRANGER = ("203.0.113.66", 4444)


class Door:
    """Bob's user agent, and what it answers to a stranger."""

    def __init__(self) -> None:
        self.talk = Conversation()
        self.agent = self.talk.bob

    def knock(self, data: bytes, source=STRANGER) -> Response | None:
        """The answer; there is never more than one, and only to the source."""
        self.agent.receive(data, Flow("udp", BOB, source), self.talk.now)
        sent = self.agent.to_send()
        assert len(sent) <= 1
        assert all(flow.remote == source for _, flow in sent)
        return parse_message(sent[0][0]) if sent else None

    def asked(self) -> list[str]:
        """Methods of the requests that the user was asked about."""
        return [
            event.request.method for event in self.agent.events() if isinstance(event, Received)
        ]
