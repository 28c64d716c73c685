"""Errors of lines and their services."""

from __future__ import annotations

from softswitch.errors.entry import Entry

LINES = {
    "algorithm_unknown": Entry(
        "unknown algorithm {value!r}; known are {known}", "invalid", "algorithms"
    ),
    "call_not_incoming": Entry(
        "call {call} didn't come to a line of the account: only such calls are marked",
        "conflict",
        "call",
    ),
    "call_too_old": Entry("call {call} is older than {days} days", "conflict", "call"),
    "caller_none": Entry("nobody called {line} in the last seven days", "not_found"),
    "completion_ambiguous": Entry(
        "several requests begin with {completion!r}; `softswitch completion list` shows them",
        "conflict",
        "completion",
    ),
    "completion_not_found": Entry(
        "there is no waiting request {completion!r}; `softswitch completion list` shows them",
        "not_found",
        "completion",
    ),
    "completion_not_offered": Entry(
        "request {completion} has no offer to be accepted (any more)", "conflict", "completion"
    ),
    "contact_not_found": Entry(
        "{line} isn't registered by {contact}; `softswitch registration list` shows its contacts",
        "not_found",
        "contact",
    ),
    "display_name_malformed": Entry(
        "a display name has at most 64 printable characters", "invalid", "display_name"
    ),
    "greeting_ambiguous": Entry(
        "several greetings begin with {greeting!r}; `softswitch greeting list {line}` shows them",
        "conflict",
        "greeting",
    ),
    "greeting_exists": Entry(
        "there is a greeting {name!r} already; give --name or delete it", "conflict", "name"
    ),
    "greeting_in_use": Entry(
        "{greeting!r} greets the callers of {number}; give that number another greeting "
        "with `softswitch number reach {number}` first",
        "conflict",
        "greeting",
    ),
    "greeting_name_malformed": Entry(
        "a greeting's name has 1 to {longest} printable characters", "invalid", "name"
    ),
    "greeting_not_found": Entry(
        "there is no greeting {greeting!r}; `softswitch greeting list {line}` shows them",
        "not_found",
        "greeting",
    ),
    "greeting_too_large": Entry("{name} has more than {most_mib} MiB", "invalid", "wav"),
    "greeting_unconvertible": Entry("{name} can't be converted: {reason}", "invalid", "wav"),
    "greeting_unplayable": Entry(
        "{name} can't be played as it is: {reasons}; --convert makes a file that can",
        "invalid",
        "wav",
    ),
    "greetings_too_many": Entry("{line} has {most} greetings; delete one first", "conflict"),
    "import_line_taken": Entry(
        "{what} {value} is taken, by a line there is or one further up", "conflict"
    ),
    "lease_ended": Entry(
        "the lease of {line} ended on {date}; `softswitch line set NUMBER lease_ends_on "
        "DATE` sets the new one",
        "conflict",
        "lease_ends_on",
    ),
    "lease_ends_soon": Entry(
        "a lease must have {months} months left; this one ends on {date}",
        "conflict",
        "lease_ends_on",
    ),
    "line_has_rental": Entry(
        "{number} rings at line {line}; `softswitch rental give-up` ends that rental",
        "conflict",
        "line",
    ),
    "line_login_taken": Entry(
        "login {login!r} belongs to another line; choose one with --login", "conflict", "login"
    ),
    "line_not_found": Entry(
        "there is no line {line!r}; `softswitch line list` shows them", "not_found", "line"
    ),
    "line_state_final": Entry("line {line} is {state}", "conflict", "line"),
    "login_malformed": Entry(
        "login {login!r} must be 1 to 64 letters, digits, . _ or -", "invalid", "login"
    ),
    "mailbox_none": Entry(
        "{line} has no mailbox; `softswitch voicemail enable {line}` opens one", "not_found", "line"
    ),
    "mailbox_outside": Entry(
        "{line} has a mailbox outside; take it away with `softswitch line set {line} "
        'waiting ""` first',
        "conflict",
    ),
    "mailbox_reasons_unknown": Entry(
        "a mailbox takes calls {known}; not {unknown}", "invalid", "on"
    ),
    "message_ambiguous": Entry(
        "several messages begin with {message!r}; `softswitch voicemail list {line}` shows them",
        "conflict",
        "message",
    ),
    "message_not_found": Entry(
        "there is no message {message!r}; `softswitch voicemail list {line}` shows them",
        "not_found",
        "message",
    ),
    "message_state_unknown": Entry("a message is new or saved, not {value!r}", "invalid", "state"),
    "number_is_service_code": Entry(
        "{number!r} is a service code here, not a telephone number", "invalid", "number"
    ),
    "number_malformed": Entry("{number!r} is no telephone number: {reason}", "invalid", "number"),
    "number_not_rented_by_account": Entry(
        "{number} isn't rented by account {account}; `softswitch rental list` shows what is",
        "conflict",
        "number",
    ),
    "password_malformed": Entry(
        "a password must be 1 to 128 printable characters", "invalid", "password"
    ),
    "pin_guessable": Entry(
        "a PIN of equal or successive digits is guessed at once; choose another", "invalid", "pin"
    ),
    "pin_is_number": Entry(
        "a PIN can't be the end of the line's number; choose another", "invalid", "pin"
    ),
    "pin_kind_unknown": Entry(
        "a PIN belongs to one of {known}, not to {value!r}", "invalid", "kind"
    ),
    "pin_missing": Entry("this takes the PIN of line {line}", "refused", "pin"),
    "pin_not_set": Entry("line {line} has no PIN: the operator sets one", "refused", "pin"),
    "pin_locked": Entry("line {line}: too many wrong PINs: wait {seconds} s", "refused", "pin"),
    "pin_wrong": Entry("that isn't the PIN of line {line}", "refused", "pin"),
    "login_is_number": Entry(
        "login {login!r} reads as {number}: a login that reads as a number is the line's own",
        "invalid",
        "login",
    ),
    "pin_length": Entry("a PIN has {least} to {most} digits", "invalid", "pin"),
    "pin_not_locked": Entry(
        "the {kind} {number} has no wrong PINs; `softswitch pin list` shows which have",
        "not_found",
        "number",
    ),
    "recording_ambiguous": Entry(
        "several recordings begin with {recording!r}; `softswitch recording list` shows them",
        "conflict",
        "recording",
    ),
    "recording_in_progress": Entry(
        "{recording} is being recorded; delete it when its call has ended",
        "conflict",
        "recording",
    ),
    "recording_not_found": Entry(
        "there is no recording {recording!r}; `softswitch recording list` shows them",
        "not_found",
        "recording",
    ),
    "registration_not_found": Entry("{line} isn't registered", "not_found"),
    "room_exists": Entry("there is a room {room} already", "conflict", "room"),
    "room_not_found": Entry(
        "there is no room {room!r}; `softswitch room list` shows them", "not_found", "room"
    ),
    "room_number_malformed": Entry(
        "a room has a number of 2 to 12 digits, not {room!r}", "invalid", "room"
    ),
    "seconds_out_of_range": Entry("seconds must be from {least} to {most}", "invalid", "seconds"),
    "service_needs_number": Entry(
        "{service} needs {needs} before it can be on", "invalid", "value"
    ),
    "service_takes_no_number": Entry(
        "{service} takes no number: it is on or off", "invalid", "value"
    ),
    "service_takes_no_seconds": Entry(
        "{service} takes no seconds; forward_no_answer does", "invalid", "seconds"
    ),
    "service_takes_numbers": Entry("{service} takes at most {most} numbers", "invalid", "value"),
    "service_takes_one_number": Entry("{service} takes exactly one number", "invalid", "value"),
    "service_value_needed": Entry("say on, off or a number", "invalid", "value"),
    "target_is_own_number": Entry(
        "{line} is the line's own number: choose another", "invalid", "number"
    ),
    "waiting_has_mailbox": Entry(
        "{line} has a mailbox here, which announces its messages itself; `softswitch "
        "voicemail disable {line}` first",
        "conflict",
        "waiting",
    ),
    "waiting_malformed": Entry(
        "waiting must look like 2/5: new messages and old ones, not {value!r}", "invalid", "waiting"
    ),
}
