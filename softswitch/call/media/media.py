"""A call's sound: the SDP of each leg, and the instructions to the relay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from msgspec import Struct, field

from rtp.control import Direction, FaxAddress
from rtp.formats import Formats
from rtp.session import PLAIN_FORMATS, MediaSession
from sip import own_description
from sip.errors import ParseError, SipError
from sip.offer_answer import (
    EVENTS,
    Codec,
    audio_of,
    check_answer,
    codecs,
    keep_removed,
    media_target,
    numbered_as,
    relayed,
    share_codec,
    without_events,
    without_extras,
)
from sip.own_description import event_of
from sip.plain_description import relayed_plainly
from sip.sdes import PLAIN
from sip.sdp import SessionDescription
from sip.t38 import check_fax_answer, fax_alone, fax_of, fax_target, is_fax_alone, with_fax
from softswitch.call.media.codecs import (
    EVENT_PAYLOAD_TYPES,
    OWN_NAMES,
    added_to,
    agreement,
    answered_codecs,
    events_by,
    needs_transcoding,
    offered_codecs,
    spoken_of,
)
from softswitch.call.media.keys import WITHOUT_EVENTS, KeyWay, way_of
from softswitch.subscribers.policies import KeyPolicy

if TYPE_CHECKING:
    from softswitch.call.media.leg_security import LegSecurity

Side = Literal["a", "b"]
"""The caller's side and the called side of the relay."""


def other(side: Side) -> Side:
    return "b" if side == "a" else "a"


class _Place(TypedDict):
    """The origin and address lines of a description of ours."""

    origin_id: int
    version: int
    address: str
    port: int


class _Terms(Struct, eq=False):
    """The terms of one side of a call."""

    security: LegSecurity | None = None
    """The keys of its leg, once that is known."""
    version: int = 0
    """The version of our last description for it."""
    codecs: tuple[Codec, ...] | None = None
    """Those in its last description."""
    offered: tuple[Codec, ...] = ()
    """Our last offer to it, if it hasn't made an offer since."""
    told: Formats | None = None
    """The formats that the relay has for it."""
    without_events: bool = False
    """The DTMF policy of its leg is one of those without telephone events."""
    takes_info: bool = False
    """Its phone has announced keys in INFO, or sent one."""


_DIRECTIONS: dict[str, Direction] = {direction: direction for direction in get_args(Direction)}
FAX_CODEC = "T38"
"""The codec of a call that was used for a T.38 fax, as its CDR names it."""


class CallMedia(Struct, eq=False):
    """Offers and answers of both legs, joined by one relay session.

    Args:
        _address: the switch's IP, to which both phones send.
        _origin_id: the session id of our own descriptions (RFC 8866 section 5.2).
        _a, _b: what is known of each side.
        _may_transcode: whether sides that share no codec may talk by way of the sound tier.
    """

    session: MediaSession
    _address: str
    _origin_id: int
    _may_transcode: bool = True
    _a: _Terms = field(default_factory=_Terms)
    _b: _Terms = field(default_factory=_Terms)
    transcodes: bool = False
    """The sides share no codec, so the sound tier stands between them."""
    _sound_codec: str | None = None
    """The codec of the last answer with sound; the caller's and the callee's if they differ."""
    _has_faxed: bool = False
    """The sides have agreed on T.38 once."""

    @property
    def codec(self) -> str | None:
        """The codec as the CDR names it: T.38 once it was used, otherwise that of the sound."""
        return FAX_CODEC if self._has_faxed else self._sound_codec

    def move(self, session: MediaSession) -> None:
        """Continue in another relay session, which knows neither side yet."""
        self.session = session
        for terms in (self._a, self._b):
            terms.codecs = terms.told = None
        self.transcodes = False

    def join(self, side: Side, security: LegSecurity) -> None:
        """Another leg is on a side now, and has its own keys."""
        terms = self._a if side == "a" else self._b
        terms.security, terms.without_events = security, security.policy.told_keys in WITHOUT_EVENTS

    def takes_info(self, side: Side, takes_info: bool) -> None:
        """Note if a side's phone has announced keys in INFO, or sent one."""
        (self._a if side == "a" else self._b).takes_info = takes_info

    def _secured(self, side: Side) -> LegSecurity:
        security = (self._a if side == "a" else self._b).security
        assert security is not None
        return security

    def _terms(self, side: Side) -> _Terms:
        return self._a if side == "a" else self._b

    def suite(self, side: Side) -> str | None:
        """The SRTP suite of a side; None without SRTP."""
        security = self._terms(side).security
        if security is None:
            return None
        by_dtls = None if security.web is None else self.session.keyed.get(side)
        keys = security.keys or by_dtls
        return None if keys is None else keys.suite

    @staticmethod
    def read(body: bytes) -> SessionDescription:
        """Parse a peer's description.

        Raises:
            SipError: 400 not SDP, 488 no audio that can be relayed.
        """
        return _usable(SessionDescription.parse(body))

    @staticmethod
    def read_with_fax(body: bytes) -> SessionDescription:
        """Parse a peer's description where T.38 may take the place of the sound.

        Raises:
            SipError: 400 not SDP, 488 no audio and no fax that can be relayed.
        """
        description = SessionDescription.parse(body)
        target = media_target(description)
        if target is not None and target.plain:
            return description  # as nearly always
        return description if is_fax_alone(description) else _usable(description)

    def read_again(self, side: Side, body: bytes) -> SessionDescription:
        """A further offer of a side. It may remove its audio stream by port 0, which is hold unless
        T.38 takes its place.

        Raises:
            SipError: 400 not SDP, 488 no audio and no fax that can be relayed.
        """
        description = SessionDescription.parse(body)
        if is_fax_alone(description):
            return description
        return _usable(keep_removed(description, self._terms(side).codecs or ()))

    def describe(
        self,
        side: Side,
        heard: SessionDescription,
        direction: Direction | None = None,
        answering: SessionDescription | None = None,
        before: SessionDescription | None = None,
        wide: bool = False,
        security: LegSecurity | None = None,
        fax: bool = False,
    ) -> bytes:
        """Our description for `side`, made from what the other side said.

        Args:
            direction: overrides the one that was said, as for a newcomer to a call on hold.
            answering: this side's offer that it answers.
            before: what an offer of ours said to this side last.
            wide: offer what we can transcode, too; always done to a side that needs it.
            security: of a leg that isn't this side's yet.
            fax: T.38 crosses, too; never where the switch talks with a leg itself.

        Raises:
            SipError: 488; an answer can't be as secure as it must be.
        """
        text = self._describe_plainly(side, heard, direction, answering, before, wide, security)
        if text is not None:
            return text
        security = security or self._secured(side)
        far = other(side)
        far_policy = self._policy(far)
        fax = fax and security.may_fax and self._secured(far).may_fax
        if fax and is_fax_alone(heard):
            self._terms(side).version += 1
            return bytes(fax_alone(heard, **self._fax_place(side), answering=answering))
        protection = security.offer() if answering is None else security.answer(answering)
        events: tuple[Codec, ...] = ()
        if security.policy.told_keys in WITHOUT_EVENTS:
            heard = without_events(heard)
            answering = None if answering is None else without_events(answering)
        elif self.sends_info(far):
            events = _events_beside(heard, answering)
        if far_policy in WITHOUT_EVENTS:
            heard = without_events(heard)
        if security.is_web_with(answering):
            heard = without_extras(heard)
        said = _codecs_of(heard)
        if answering is not None and self._needs_transcoding(_codecs_of(answering), said):
            return self._answer_with_own(side, heard, answering, security)
        wide = answering is None and (wide or self.transcodes)
        self._terms(side).version += 1
        description = relayed(
            heard if answering is None else numbered_as(heard, answering),
            **self._place(side),
            hold_direction=direction,
            answering=answering or before,
            added=(*(self._added(said) if wide else ()), *events),
            protection=protection,
        )
        if fax:
            description = with_fax(description, heard, self._fax_place(side)["port"])
        self._note_offer(side, () if answering is not None else _offered_in(description))
        return self._written(security, description, answering)

    def _describe_plainly(
        self,
        side: Side,
        heard: SessionDescription,
        direction: Direction | None,
        answering: SessionDescription | None,
        before: SessionDescription | None,
        wide: bool,
        security: LegSecurity | None,
    ) -> bytes | None:
        """As :meth:`describe`, where all descriptions are plain: by substitution, at a fifth of the
        steps. None if one isn't, or if a side needs more than its sound relayed."""
        target = media_target(heard)
        if target is None or not target.plain or (before is not None and not _is_plain(before)):
            return None
        session = self.session
        if side == "a":
            terms, far, port = self._a, self._b, session.a_port
        else:
            terms, far, port = self._b, self._a, session.b_port
        security = security or terms.security
        assert security is not None
        if security.policy.told_keys in WITHOUT_EVENTS or far.without_events or far.takes_info:
            return None
        added: tuple[Codec, ...] = ()
        if answering is None:
            if security.offer() is not PLAIN:
                return None
            if wide or self.transcodes:
                added = self._added(target.codecs)
        else:
            offer = media_target(answering)
            if offer is None or not (offer.plain and security.takes_plain):
                return None
            if self._may_transcode and needs_transcoding(offer.codecs, target.codecs):
                return None
        terms.version = version = terms.version + 1
        ours = relayed_plainly(heard, direction or target.direction, answering, added)
        last_offer, terms.offered = terms.offered, ours.codecs if answering is None else ()
        if last_offer and not terms.offered:
            self._tell_again(side, terms, far)
        return ours.write(self._origin_id, version, self._address, port)

    def _written(
        self,
        security: LegSecurity,
        description: SessionDescription,
        offer: SessionDescription | None,
    ) -> bytes:
        """A description of ours as it is sent.

        Args:
            offer: the peer's, if this answers it.
        """
        return bytes(security.dressed(description, offer, self.session.ice_tcp_port))

    def _note_offer(self, side: Side, offered: tuple[Codec, ...]) -> None:
        """Remember the numbers that were offered to a side; none if that side is the offerer."""
        terms, far = (self._a, self._b) if side == "a" else (self._b, self._a)
        last_offer, terms.offered = terms.offered, offered
        if last_offer and not offered:
            self._tell_again(side, terms, far)

    def _policy(self, side: Side) -> KeyPolicy:
        security = (self._a if side == "a" else self._b).security
        return "auto" if security is None else security.policy.told_keys

    def way_of_keys(self, side: Side) -> KeyWay:
        """The way in which keys are sent to a side."""
        return way_of(
            self._policy(side),
            events=self.knows_events(side),
            takes_info=self._terms(side).takes_info,
        )

    @property
    def may_send_info(self) -> bool:
        """False if neither side takes keys in INFO, as nearly always."""
        a, b = self._a, self._b
        if a.takes_info or b.takes_info:
            return True
        may = a.without_events or b.without_events
        return may and "info" in (self._policy("a"), self._policy("b"))

    def sends_info(self, side: Side) -> bool:
        """True if keys are sent to a side in INFO."""
        if not (self._a if side == "a" else self._b).takes_info and self._policy(side) != "info":
            return False  # as nearly always
        return self.way_of_keys(side) == "info"

    def _answer_with_own(
        self,
        side: Side,
        heard: SessionDescription,
        offer: SessionDescription,
        security: LegSecurity,
    ) -> bytes:
        """An answer with one codec of the offer that the sound tier speaks; only the direction is
        the other side's."""
        self._terms(side).version += 1
        target = media_target(heard)
        description, _ = own_description.answer(
            offer,
            answered_codecs(_codecs_of(offer)),
            **self._place(side),
            direction=None if target is None else target.direction,
            protection=security.answer(offer),
        )
        self._note_offer(side, ())
        return self._written(security, description, offer)

    def widens(self, heard: SessionDescription) -> bool:
        """True if an offer that was refused can be repeated with more codecs."""
        return not is_fax_alone(heard) and bool(self._added(_codecs_of(heard)))

    def _added(self, said: tuple[Codec, ...]) -> tuple[Codec, ...]:
        return added_to(said) if self._may_transcode else ()

    @staticmethod
    def speaks(description: SessionDescription) -> bool:
        """True if the sound tier can talk with a peer that has this description."""
        return spoken_of(_codecs_of(description)) is not None

    def may_join(self, one: SessionDescription, other: SessionDescription) -> bool:
        """True if two parties with these descriptions can talk, transcoded if need be."""
        said, heard = _codecs_of(one), _codecs_of(other)
        return share_codec(said, heard) or self._needs_transcoding(said, heard)

    def _needs_transcoding(self, a: tuple[Codec, ...], b: tuple[Codec, ...]) -> bool:
        return self._may_transcode and needs_transcoding(a, b)

    def answer_itself(self, side: Side, offer: SessionDescription) -> bytes:
        """The switch's own answer to a side that it talks with itself.

        Raises:
            SipError: 488, there is no codec that both speak.
        """
        self._terms(side).version += 1
        description, codec = own_description.answer(
            offer,
            answered_codecs(_codecs_of(offer)),
            **self._place(side),
            protection=self._secured(side).answer(offer),
            events=self._policy(side) not in WITHOUT_EVENTS,
        )
        self._sound_codec = codec.name
        self._note_offer(side, ())
        return self._written(self._secured(side), description, offer)

    def offer_itself(self, side: Side) -> bytes:
        """The switch's own offer, to a side that made none."""
        self._terms(side).version += 1
        protection = self._secured(side).offer()
        known = offered_codecs(events=self._policy(side) not in WITHOUT_EVENTS)
        self._note_offer(side, known)
        description = own_description.offer(known, **self._place(side), protection=protection)
        return self._written(self._secured(side), description, None)

    def _place(self, side: Side) -> _Place:
        return {
            "origin_id": self._origin_id,
            "version": self._terms(side).version,
            "address": self._address,
            "port": self.session.a_port if side == "a" else self.session.b_port,
        }

    def _fax_place(self, side: Side) -> _Place:
        """The place of T.38: the upper port of the side's pair, where RTCP comes during sound."""
        place = self._place(side)
        return {**place, "port": place["port"] + 1}

    def learn(
        self, side: Side, heard: SessionDescription, signalling: str, takes_info: bool | None = None
    ) -> None:
        """Direct the relay to the address in a side's description.

        Args:
            signalling: the IP address that the peer's SIP comes from.
            takes_info: as for :meth:`takes_info`; None: as before.

        Raises:
            SipError: 488, its SRTP attributes can't be used.
        """
        target, fax = media_target(heard), None
        if target is None or not target.plain:
            fax = _fax_address(heard)
        if target is None:
            if fax is None:
                raise SipError(488, "Not Acceptable Here")
            self.session.set_remote(
                side, None, 0, 0, "inactive",
                signalling_address=signalling,
                formats=self._terms(side).told or PLAIN_FORMATS,
                keys=self._secured(side).keys,
                fax=fax,
            )  # fmt: skip
            return
        terms, far = (self._a, self._b) if side == "a" else (self._b, self._a)
        security = terms.security
        assert security is not None
        security.learn(heard, target)
        codecs = _codecs_of(without_events(heard)) if terms.without_events else target.codecs
        terms.codecs = codecs
        if takes_info is not None:
            terms.takes_info = takes_info
        agreed = agreement(codecs, far.codecs, terms.offered)
        self.session.set_remote(
            side,
            target.address or None,
            target.rtp_port,
            target.rtcp_port,
            _DIRECTIONS[target.direction],
            signalling_address=signalling,
            formats=agreed.formats,
            packet_ms=target.packet_ms,
            keys=security.keys,
            web=security.web,
            fax=fax if fax is not None and security.may_fax else None,
            # No phone is rung yet, so that nothing comes for this side either.
            patient=far.told is None,
        )
        terms.told = agreed.formats
        if far.told is not None:
            self._tell_again("b" if side == "a" else "a", far, terms)
            if self.transcodes or (agreed.transcodes and self._may_transcode):
                self._choose_way()

    def _tell_again(self, side: Side, terms: _Terms, far: _Terms) -> None:
        """Update the relay's payload types of a side, if a new description or offer has changed
        them."""
        if terms.told is None:
            return
        assert terms.codecs is not None
        formats = agreement(terms.codecs, far.codecs, terms.offered).formats
        if formats != terms.told:
            terms.told = formats
            self.session.agree(side, formats)

    def _choose_way(self) -> None:
        """Have the relay pass packets on as they are, unless the sides share no codec."""
        a, b = self._a.codecs, self._b.codecs
        if a is None or b is None:
            return
        transcodes = self._needs_transcoding(a, b)
        if transcodes != self.transcodes:
            self.transcodes = transcodes
            self.session.bridge(transcodes)
        if transcodes:
            names = ["" if own is None else own.name for own in map(spoken_of, (a, b))]
            self._sound_codec = "/".join(names)

    def knows_events(self, side: Side) -> bool:
        """True if a side sends keys as telephone events (RFC 4733)."""
        return any(codec.name == EVENTS for codec in self._terms(side).codecs or ())

    @property
    def decodable(self) -> bool:
        """True if the sound tier can decode both sides, and so record them."""
        return self.transcodes or self._sound_codec in OWN_NAMES

    def press(self, side: Side, key: str) -> bool:
        """Play a key, which a side's phone sent in signalling, to the other side as sound or as an
        event. False if the INFO is to be passed on unchanged: the other side takes INFO, has no
        codec that we speak, or receives the event of a phone that sends both."""
        heard_by = other(side)
        if self.sends_info(heard_by):
            return False
        if self.transcodes:
            self.session.press(side, key)
            return True
        tells_both = self.knows_events(side) and self.knows_events(heard_by)
        told = self._terms(heard_by).told
        if tells_both or told is None or told.encoding is None:
            return False
        self.session.send_digits(heard_by, key)
        return True

    def answered(self, offer: SessionDescription, answer: SessionDescription) -> None:
        """Hold an answer against its offer, and note the codec.

        Raises:
            SipError: 488, it answers something else.
        """
        target = media_target(answer)
        if target is None or not target.plain:
            if fax_of(answer) is not None:
                check_fax_answer(offer, answer)
                self._has_faxed = True
            if is_fax_alone(answer):
                return
        offered = media_target(offer)
        added = () if offered is None or not self._may_transcode else added_to(offered.codecs)
        check_answer(offer, answer, added)
        if target is not None and target.codecs:
            self._sound_codec = target.codecs[0].name


def _usable(description: SessionDescription) -> SessionDescription:
    """A peer's description; a browser's without redundancy and comfort noise.

    Raises:
        SipError: 488 no audio that can be relayed.
    """
    target = media_target(description)
    if target is None:
        raise SipError(488, "Not Acceptable Here")
    return description if target.web is None else without_extras(description)


def _fax_address(description: SessionDescription) -> FaxAddress | None:
    target = fax_target(description)
    return None if target is None else FaxAddress(target.address or None, target.port)


def _is_plain(description: SessionDescription) -> bool:
    target = media_target(description)
    return target is not None and target.plain


def _codecs_of(description: SessionDescription) -> tuple[Codec, ...]:
    target = media_target(description)
    return () if target is None else target.codecs


def _offered_in(description: SessionDescription) -> tuple[Codec, ...]:
    """The codecs in a description of ours."""
    index = audio_of(description)
    return () if index is None else codecs(description.media[index])


def _events_beside(
    heard: SessionDescription, offer: SessionDescription | None
) -> tuple[Codec, ...]:
    """Telephone events that a side may send us although the other side, which takes keys in INFO,
    has none; in an answer, those of the offer."""
    said = _codecs_of(heard)
    clock = said[0].clock_rate if said else 8000
    if offer is None:
        return (events_by(clock),) if clock in EVENT_PAYLOAD_TYPES else ()
    found = event_of(_codecs_of(offer), clock)
    return () if found is None else (found,)


def try_read(body: bytes) -> SessionDescription | None:
    """A description that is optional, as in a provisional response; None if there is none or it
    can't be read."""
    if not body:
        return None
    try:
        return CallMedia.read(body)
    except (ParseError, SipError):
        return None
