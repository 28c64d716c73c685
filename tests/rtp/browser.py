"""The far end of a browser's leg for pure tests: checks of another STUN implementation (aioice's),
DTLS in the other role, SRTP by the keys that come of it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from aioice import stun

from rtp.control import Keys, WebTerms
from rtp.dtls import Dtls, DtlsContext, fingerprint_of, make_certificate
from rtp.srtp import Srtp

NOW = datetime(2026, 11, 29, tzinfo=UTC)
OUR_UFRAG, OUR_PASSWORD = "ours", "the-password-of-the-switch"


@cache
def certificate(name="switch"):
    """A certificate for each name."""
    return make_certificate(NOW)


def fingerprint(name):
    return fingerprint_of(certificate(name).certificate)


def check(
    username=f"{OUR_UFRAG}:theirs",
    password=OUR_PASSWORD,
    nominates=True,
    transaction=None,
    role="ICE-CONTROLLING",
    fingerprint=True,
):
    """A connectivity check, as octets."""
    options = {} if transaction is None else {"transaction_id": transaction}
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, **options)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1_853_824_767
    message.attributes[role] = 42
    if nominates:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    if not fingerprint:
        del message.attributes["FINGERPRINT"]
    return bytes(message)


def answer_to(data, password=OUR_PASSWORD):
    """An answer, with its integrity and fingerprint proved."""
    message = stun.parse_message(data)
    assert message.check_message_integrity(password.encode())
    return message


class Browser:
    """One peer connection.

    Args:
        send: takes a datagram of ours with the source that it comes from, and the time; returns the
            datagrams that come back.
    """

    def __init__(self, send, address=("198.51.100.7", 40_000), name="browser", role="active"):
        self.send = send
        self.address = address
        self.ufrag = "theirs"
        self.dtls = Dtls(DtlsContext(certificate(name)), role, (fingerprint("switch"),))
        self.srtp = None

    @property
    def terms(self):
        """What its description says, with ours beside."""
        return WebTerms(OUR_UFRAG, OUR_PASSWORD, self.ufrag, (fingerprint("browser"),))

    def connect(self, now=0.0):
        """ICE, then DTLS, until neither has anything to say."""
        waiting = self.send(check(f"{OUR_UFRAG}:{self.ufrag}"), self.address, now)
        self.dtls.begin(now)
        while True:
            for data in waiting:
                if data[0] >= 20:
                    self.dtls.receive(data, now)
            outgoing = self.dtls.to_send()
            if not outgoing:
                break
            waiting = [one for data in outgoing for one in self.send(data, self.address, now)]
        if self.dtls.keys is not None:
            self.srtp = Srtp(self.dtls.keys)


def swapped(keys):
    """The keys as the other end has them."""
    return Keys(keys.suite, keys.theirs, keys.ours)
