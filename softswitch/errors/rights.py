"""Errors of requests that their actor has no right to make."""

from __future__ import annotations

from softswitch.errors.entry import Entry

RIGHTS = {
    "actor_unusable": Entry("a request can't be made as {user!r}: {reason}", "invalid", "as"),
    "argument_for_operator": Entry("{field} of {operation} is for the operator to say", "refused"),
    "key_for_others": Entry("a {role} sets {known} by {operation}, not {key!r}", "refused", "key"),
    "right_missing": Entry("{user} ({role}) has no right to {operation}", "refused"),
}
