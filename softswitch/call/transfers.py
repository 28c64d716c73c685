"""The parts that put another leg in the place of one of a call's: composed when first needed, since
hardly any call does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softswitch.call.established.attended_transfer import AttendedTransfer
from softswitch.call.established.blind_transfer import BlindTransfer
from softswitch.call.established.merging import Merging
from softswitch.call.established.service_connection import ServiceConnection
from softswitch.call.established.target_call import TargetCall
from softswitch.call.established.transfer import Transfer
from softswitch.call.media.worker_move import WorkerMove

if TYPE_CHECKING:
    from softswitch.call.context import CallContext
    from softswitch.call.established.renegotiation import Renegotiation
    from softswitch.call.ivr.service_leg import ServiceLeg
    from softswitch.call.legs import Legs


def compose(
    context: CallContext,
    legs: Legs,
    renegotiation: Renegotiation,
    service_leg: ServiceLeg,
) -> Transfer:
    """The transfers of one call."""
    features, agent = context.features, context.signalling.agent
    merging = Merging(
        legs,
        renegotiation,
        service_leg,
        WorkerMove(legs),
        features.hall,
        features.announcer,
        context.log,
    )
    target = TargetCall(legs, agent, context.dialer, context.security)
    return Transfer(
        legs,
        context.admission.stages,
        renegotiation,
        merging,
        target,
        BlindTransfer(legs, renegotiation, target),
        AttendedTransfer(legs, renegotiation, agent),
        ServiceConnection(legs, renegotiation, target, service_leg),
    )
