"""Torture messages of our own, with the traits of those in RFC 4475 and RFC 5118.

Each row: name, message, treatment, and the statuses with which it may be refused; see
:class:`cases.Case`.
"""

SDP = (
    "v=0\no=mira 7 7 IN IP4 203.0.113.20\ns=-\nc=IN IP4 203.0.113.20\nt=0 0\n"
    "m=audio 41000 RTP/AVP 0 8\nm=video 41002 RTP/AVP 31\na=rtpmap:31 H261/90000\n"
)


def typed(head: str, body: str | bytes = b"", *, length: int | str | None = None) -> bytes:
    """A message from lines; `{l}` in the head is the body's length unless `length` is given."""
    octets = body if isinstance(body, bytes) else body.replace("\n", "\r\n").encode()
    lines = head.strip("\n").replace("{l}", str(len(octets) if length is None else length))
    return lines.replace("\n", "\r\n").encode() + b"\r\n\r\n" + octets


def plain(method: str, *more: str, uri: str = "sip:mira@example.org", **changed: str | None) -> str:
    """The head of a sound request, with fields changed, left out or added."""
    fields = {
        "Via": "SIP/2.0/UDP 203.0.113.20;branch=z9hG4bKtorture",
        "Max-Forwards": "70",
        "From": "<sip:otto@example.net>;tag=9fxced76sl",
        "To": "<sip:mira@example.org>",
        "Call-ID": "torture-" + method.lower(),
        "CSeq": f"4 {method}",
        "Contact": "<sip:otto@203.0.113.20>",
    }
    if "sip_version" in changed:
        version = changed.pop("sip_version")
    else:
        version = "SIP/2.0"
    for name, value in changed.items():
        if value is None:
            del fields[name.replace("_", "-")]
        else:
            fields[name.replace("_", "-")] = value
    lines = [f"{method} {uri} {version}", *(f"{k}: {v}" for k, v in fields.items()), *more]
    return "\n".join(lines) + "\n"


TORTUOUS = typed(
    """\
INVITE sip:mira@example.org;extra-switch;value="" SIP/2.0
tO :
 sip:mira@example.org
from   : "I \\"am\\" \\\\ Otto"       <sip:otto@example.net>
  ;
  tag = 98asjd8
MAX-ForWARDS: 000068
call-id: tortuous.ndaksdj@203.0.113.20
Content-Length   : {l}
cseq: 00017
  INVITE
v:  SIP  / 2.0
 /UDP
    203.0.113.20;branch=490skdjuw
s :
Unheard-Of-Header: :we;don't,know"what
  this; is
Via  : SIP  / 2.0  / TCP     relay.example.net  ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  203.0.113.21   ; branch=
 z9hG4bK30239
m:"Otto \\\\\\"" <sip:otto@example.net;lr?x=y> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
c: application/sdp
Route:
 <sip:relay.example.net;lr;unknownwith=value;unknown-no-value>
""".replace(';value=""', ""),
    SDP,
)

PARTS = (
    b"--split\r\nContent-Type: text/plain\r\n\r\nhello\r\n--split\r\n"
    b"Content-Type: application/octet-stream\r\n\r\n\x00\x01\r\n\r\n\xff\xfe\x00\r\n--split--\r\n"
)
LONG = "long" * 150

MESSAGES: list[tuple[str, bytes, str, tuple[int, ...]]] = [
    # Sound, if hard to read
    ("tortuous INVITE", TORTUOUS, "accept", ()),
    (
        "every character that a token may have",
        typed(plain(
            "!odd-Method0123456789_*+`.%fine'~", "odd-Header!.%*+_`'~: \u6cb3\u5ddd",
            "Content-Length: 0",
            uri="sip:7_odd.U~(not-to!be)&isn't+it$/mad?,/;;*:&pw=1,w!*rd$(y)@example.org",
            To='"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:7_odd.U~(not-to!be)@example.org>',
            From="a1~` b2'+_ c3*%!.- <sip:otto@example.net>"
                 ";fp''~+*_!.-%=\"\u10d7\u10d1\";tag=_t~1'+`*%!-.",
            Call_ID="odd.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            Via="SIP/2.0/UDP 203.0.113.20;branch=z9hG4bK-.!%66*_+`'~", Max_Forwards="255",
        )),
        "accept", (405, 501),
    ),
    (
        "a user part that looks like another URI",
        typed(plain("OPTIONS", uri="sip:sips%3Amira%40example.org@example.net",
                    To="sip:%75se%72@example.org",
                    From="<sip:I%20have%20spaces@example.net>;tag=9")),
        "accept", (),
    ),
    (
        "users that differ behind an escaped NUL",
        typed(plain("REGISTER", "Contact: <sip:%00%00@203.0.113.20>", uri="sip:example.org",
                    To="sip:null-%00-null@example.org", From="sip:null-%00-null@example.org;tag=8",
                    Contact="<sip:%00@203.0.113.20>")),
        "accept", (),
    ),
    (
        "a method that only looks like REGISTER",
        typed(plain("RE%47ISTE%52", uri="sip:example.org")), "accept", (405, 501),
    ),
    (
        "a display name that touches its address",
        typed(plain("OPTIONS", From="Otto<sip:otto@example.net>;tag=3")), "accept", (),
    ),
    (
        "long values",
        typed(plain(
            "INVITE", f"Unknown-{'Long' * 20}: {LONG}; {LONG}={LONG}",
            "Content-Type: application/sdp",
            *[f"Via: SIP/2.0/TCP host{n}.example.net;branch=z9hG4bK{LONG}{n}" for n in range(8)],
            "Content-Length: {l}", To=f'"{LONG} {LONG}" <sip:mira@example.org:5060>',
            From=f"<sip:{LONG}@example.net>;tag=12{LONG}98;{LONG}={LONG}",
            Call_ID=f"{LONG}.one{LONG}", uri="sip:mira@example.org",
        ), SDP),
        "accept", (),
    ),
    (
        "two requests in a datagram",
        typed(plain("REGISTER", "Content-Length: 0", uri="sip:example.org", Call_ID="first"))
        + typed(plain("INVITE", "Content-Length: {l}", "Content-Type: application/sdp"), SDP),
        "accept", (),
    ),
    (
        "semicolons in the user part",
        typed(plain("OPTIONS", uri="sip:mira;par=u%40example.net@example.org")), "accept", (),
    ),
    (
        "Vias of every transport",
        typed(plain("OPTIONS", "Via: SIP/2.0/SCTP a.example.net;branch=z9hG4bK1",
                    "Via: SIP/2.0/TLS b.example.net;branch=z9hG4bK2",
                    "Via: SIP/2.0/UNHEARD c.example.net;branch=z9hG4bK3",
                    "Via: SIP/2.0/TCP d.example.net;branch=z9hG4bK4")),
        "accept", (),
    ),
    (
        "a body in parts with NULs",
        typed(plain("MESSAGE", "Content-Type: multipart/mixed;boundary=split",
        "Content-Length: {l}"),
              PARTS),
        "accept", (405, 415, 501),
    ),
    (
        "a reason beyond ASCII",
        typed("SIP/2.0 200 \u10d9\u10d0\u10e0\u10d2\u10d8 = 2**3 * 5**2 \u0438 \u0442\u0430\u043a\n"
              "Via: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKnone\nFrom: <sip:a@b>;tag=1\n"
              "To: <sip:c@d>;tag=2\nCall-ID: reason\nCSeq: 1 INVITE\n"),
        "drop", (),
    ),
    (
        "no reason at all",
        typed("SIP/2.0 100 \nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKnone\n"
              "From: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: noreason\nCSeq: 1 INVITE\n"),
        "drop", (),
    ),
    # Not sound
    (
        "separators without anything between",
        typed(plain("INVITE", Via="SIP/2.0/UDP 203.0.113.20;;,;,,",
                    Contact='"Otto" <sip:otto@203.0.113.20>;;;;')),
        "reject", (400,),
    ),
    (
        "a body that is shorter than it says",
        typed(plain("INVITE", "Content-Type: application/sdp", "Content-Length: 9999"), SDP),
        "reject", (400,),
    ),
    (
        "a negative length",
        typed(plain("INVITE", "Content-Type: application/sdp", "Content-Length: -9"), SDP),
        "reject", (400,),
    ),
    (
        "numbers beyond every range",
        typed(plain("REGISTER", "Expires: 10000000000000000000000000000000000000",
        uri="sip:example.org",
                    CSeq="36893488147419103232 REGISTER", Max_Forwards="300",
                    Contact="<sip:otto@203.0.113.20>;expires=280297596632815")),
        "reject", (400,),
    ),
    (
        "a response with numbers beyond every range",
        typed("SIP/2.0 503 Later\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKnone\n"
              "From: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: big\n"
              "CSeq: 9292394834772304023312"
              " OPTIONS\nRetry-After: 949302838503028349304023988\nWarning: 1812 h \"x\"\n"),
        "drop", (),
    ),
    (
        "a quote that never ends",
        typed(plain("INVITE", To='"Mira <sip:mira@example.org>')), "reject", (400,),
    ),
    (
        "a Request-URI in brackets",
        typed(plain("INVITE", uri="<sip:mira@example.org>")), "either", (400,),
    ),
    (
        "a space inside the Request-URI",
        typed(plain("INVITE", uri="sip:mira@example.org; lr")), "reject", (400,),
    ),
    (
        "spaces in the request line",
        typed(plain("INVITE", uri=" sip:mira@example.org ")), "either", (400,),
    ),
    (
        "a space after the request line",
        typed(plain("OPTIONS", sip_version="SIP/2.0 ")), "either", (400,),
    ),
    (
        "headers in the Request-URI",
        typed(plain("INVITE", uri="sip:mira@example.org?Route=%3Csip:example.com%3E")),
        "either", (400, 404),
    ),
    (
        "a date of another zone",
        typed(plain("INVITE", "Date: Fri, 01 Jan 2010 16:00:00 EST",
        "Content-Type: application/sdp",
                    "Content-Length: {l}"), SDP),
        "either", (400,),
    ),
    (
        "a contact with headers but no brackets",
        typed(plain("REGISTER", uri="sip:example.org",
                    Contact="sip:otto@example.net?Route=%3Csip:sip.example.com%3E")),
        "either", (400,),
    ),
    (
        "spaces inside an address",
        typed(plain("OPTIONS", To='"Mira" < sip:mira@example.org >')), "either", (400,),
    ),
    (
        "a display name that needs quotes",
        typed(plain("OPTIONS", From="Meyer, Otto <sip:otto@example.net>;tag=43",
                    To="Mira, M. <sip:mira@example.org>")),
        "either", (400,),
    ),
    (
        "a version of the future",
        typed(plain("OPTIONS", sip_version="SIP/7.0",
        Via="SIP/7.0/UDP c.example.net;branch=z9hG4bK7")), "reject", (505,),
    ),
    ("another method in CSeq", typed(plain("OPTIONS", CSeq="8 INVITE")), "reject", (400,)),
    (
        "another method in the CSeq of an unknown one",
        typed(plain("NEWMETHOD", CSeq="8 INVITE")), "reject", (400, 405, 501),
    ),
    (
        "a status of ten digits",
        typed("SIP/2.0 4294967301 better not break\n"
              "Via: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKnone\n"
              "From: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: big\nCSeq: 1 INVITE\n"),
        "drop", (),
    ),
    # For transactions and applications
    (
        "a branch that is only the cookie",
        typed(plain("OPTIONS", Via="SIP/2.0/UDP 203.0.113.20;branch=z9hG4bK")), "either", (400,),
    ),
    (
        "most of the needed fields missing",
        typed(plain("INVITE", From=None, To=None, Call_ID=None)), "reject", (400,),
    ),
    (
        "a scheme that nobody knows",
        typed(plain("OPTIONS", uri="nobodyKnowsThis:opaque-it-is")), "reject", (416,),
    ),
    (
        "a scheme of another protocol",
        typed(plain("OPTIONS", uri="soap.beep://203.0.113.103:3002")), "reject", (416, 404),
    ),
    (
        "foreign schemes in the addresses of a REGISTER",
        typed(plain("REGISTER", uri="sip:example.org", To="isbn:2983792873",
                    From="<http://www.example.net>;tag=3", Contact="<name:Otto_Meyer>")),
        "reject", (400,),
    ),
    (
        "extensions that nobody supports",
        typed(plain("OPTIONS", "Require: nothingDoesThis, nothingDoesThisEither",
                    "Proxy-Require: noProxyDoesThis")),
        "reject", (420,),
    ),
    (
        "a body of an unknown kind",
        typed(plain("INVITE", "Content-Type: application/unheard-of", "Content-Length: {l}"),
        "<x/>"), "reject", (415,),
    ),
    (
        "credentials of an unknown scheme",
        typed(plain("REGISTER", "Authorization: NobodyKnowsThis opaque=here",
        uri="sip:example.org")), "accept", (401, 407),
    ),
    (
        "fields twice that stand once",
        typed(plain("INVITE", "CSeq: 5 INVITE", "Call-ID: other", "From: <sip:x@y>;tag=1",
        "To: <sip:z@w>",
                    "Max-Forwards: 5")),
        "reject", (400,),
    ),
    (
        "two lengths",
        typed(plain("OPTIONS", "Content-Length: 3", "Content-Length: 5"), "abcde"), "reject", (400,
        ),
    ),
    (
        "a response that was for everybody",
        typed("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 203.0.113.198;branch=z9hG4bKnone\n"
              "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKother\nFrom: <sip:a@b>;tag=1\n"
              "To: <sip:c@d>;tag=2\nCall-ID: bcast\nCSeq: 35 INVITE\n"
              "Content-Type: application/sdp\n", SDP),
        "drop", (),
    ),
    ("no hops left", typed(plain("OPTIONS", Max_Forwards="0")), "either", (483,)),
    (
        "an unknown parameter of a contact",
        typed(plain("REGISTER", uri="sip:example.org", Contact="sip:otto@203.0.113.20;unheardof")),
        "accept", (),
    ),
    (
        "an unknown parameter of a contact's URI",
        typed(plain("REGISTER", uri="sip:example.org",
        Contact="<sip:otto@203.0.113.20;unheardof>")), "accept", (),
    ),
    (
        "a contact with an escaped Route",
        typed(plain("REGISTER", uri="sip:example.org",
                    Contact="<sip:otto@example.net?Route=%3Csip:sip.example.com%3E>")),
        "accept", (),
    ),
    (
        "an INVITE that takes no SDP",
        typed(plain("INVITE", "Accept: text/unheard-of", "Content-Type: application/sdp",
                    "Content-Length: {l}"), SDP),
        "reject", (406, 400),
    ),
    (
        "an INVITE of the last century",
        typed("INVITE sip:mira@example.org SIP/2.0\nVia: SIP/2.0/UDP gw.example.net\n"
              "From: <sip:+995322000099@gw.example.net;user=phone>\nTo: sip:mira@example.org\n"
              "Call-ID: 1999.old@gw\nCSeq: 56 INVITE\nContent-Type: application/sdp\n", SDP),
        "accept", (),
    ),
    # IPv6
    (
        "IPv6 in brackets",
        typed(plain("REGISTER", uri="sip:[2001:db8::10]",
                    Via="SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3",
                    Contact="<sip:otto@[2001:db8::1]>")),
        "accept", (),
    ),
    (
        "IPv6 without brackets",
        typed(plain("REGISTER", uri="sip:2001:db8::10")), "reject", (400,),
    ),
    (
        "IPv6 that ends like a port",
        typed(plain("REGISTER", uri="sip:[2001:db8::10:5070]")), "accept", (),
    ),
    ("IPv6 and a port", typed(plain("REGISTER", uri="sip:[2001:db8::10]:5070")), "accept", ()),
    (
        "a received address in brackets",
        typed(plain("BYE",
        Via="SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3",
                    To="<sip:mira@example.org>;tag=bye6")),
        "accept", (481,),
    ),
    (
        "a received address as it should be",
        typed(plain("OPTIONS",
        Via="SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3")), "accept",
        (),
    ),
    (
        "IPv6 in SDP",
        typed(plain("INVITE", "Content-Type: application/sdp", "Content-Length: {l}"),
              SDP.replace("IP4 203.0.113.20", "IP6 2001:db8::20")),
        "accept", (),
    ),
    (
        "Vias of both families",
        typed(plain("BYE", "Via: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bK1",
        To="<sip:mira@example.org>;tag=by",
                    Via="SIP/2.0/UDP [2001:db8::9:1]:6050;received=203.0.113.7;branch=z9hG4bKas3")),
        "accept", (481,),
    ),
    (
        "streams of both families",
        typed(plain("INVITE", "Content-Type: application/sdp", "Content-Length: {l}"),
              SDP + "c=IN IP6 2001:db8::30\n"),
        "accept", (488,),
    ),
    (
        "IPv4 inside IPv6",
        typed(plain("INVITE", "Content-Type: application/sdp", "Content-Length: {l}",
                    Contact="<sip:otto@[::ffff:203.0.113.20]:5060>",
                    Via="SIP/2.0/UDP [::ffff:203.0.113.20]:5060;branch=z9hG4bKas3"),
              SDP.replace("IP4 203.0.113.20", "IP6 ::ffff:203.0.113.20")),
        "accept", (),
    ),
    (
        "a colon too many before IPv4",
        typed(plain("OPTIONS", uri="sip:mira@[2001:db8:::203.0.113.1]")), "either", (400,),
    ),
    (
        "IPv4 at the end of IPv6",
        typed(plain("OPTIONS", uri="sip:mira@[2001:db8::203.0.113.1]")), "accept", (),
    ),
    (
        "the version in lower case",
        typed(plain("OPTIONS", sip_version="sip/2.0")), "accept", (),
    ),
    (
        "a response whose version is in lower case",
        typed("sip/2.0 200 OK\n" + plain("OPTIONS").partition("\n")[2]), "drop", (),
    ),
    (
        "empty elements in lists",
        typed(plain("OPTIONS", "Supported: , timer,, 100rel,", "Require: ,,",
                    Via="SIP/2.0/UDP 203.0.113.20;branch=z9hG4bKtorture, ,")),
        "accept", (),
    ),
    (
        "SDP between ISUP and a location",
        typed(plain("INVITE", 'Content-Type: multipart/mixed;boundary="a b"',
                    "Content-Length: {l}"),
              "--a b\nContent-Type: application/isup;version=itu-t92+\n\n01\n--a b\n"
              "content-type: application/sdp\n\n" + SDP + "\n--a b\n"
              "Content-Type: application/pidf+xml\nContent-ID: <1@h>\n\n<presence/>\n--a b--\n"),
        "accept", (),
    ),
    (
        "a part that must be understood and isn't",
        typed(plain("INVITE", "Content-Type: multipart/mixed;boundary=b", "Content-Length: {l}"),
              "--b\nContent-Type: application/sdp\n\n" + SDP + "\n--b\n"
              "Content-Type: application/isup\nContent-Disposition: signal;handling=required\n"
              "\n01\n--b--\n"),
        "reject", (415,),
    ),
    (
        "multipart without a boundary",
        typed(plain("INVITE", "Content-Type: multipart/mixed", "Content-Length: {l}"), SDP),
        "reject", (400, 415),
    ),
    (
        "a boundary that never comes",
        typed(plain("INVITE", "Content-Type: multipart/mixed;boundary=x", "Content-Length: {l}"),
              SDP),
        "reject", (400,),
    ),
]  # fmt: skip
