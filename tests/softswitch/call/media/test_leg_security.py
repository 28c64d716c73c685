"""What a leg's policy says to fax, which is never encrypted."""

import pytest

from sip.errors import SipError
from sip.flow import Flow
from sip.sdp import SessionDescription
from softswitch.call.media.leg_security import SecurityPolicy

FAX = SessionDescription.parse(
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=image 4400 udptl t38\r\n"
)


def leg(srtp, transport):
    policy = SecurityPolicy(srtp, "auto", bytes, fingerprint="AB:CD")
    return policy.of_leg(None, Flow(transport, ("192.0.2.9", 5060), ("192.0.2.1", 5060)))


def test_a_browser_gets_no_fax():
    browser = leg("optional", "wss")
    assert not browser.may_fax
    with pytest.raises(SipError) as refused:
        browser.check(FAX)
    assert refused.value.status == 488


@pytest.mark.parametrize(("srtp", "may"), [("off", True), ("optional", True), ("required", False)])
def test_a_leg_that_requires_srtp_gets_no_fax(srtp, may):
    phone = leg(srtp, "tls")
    assert phone.may_fax is may
    if may:
        assert phone.check(FAX) is None
