"""Errors of the installation, its files and its database."""

from __future__ import annotations

from softswitch.errors.entry import Entry

INSTALLATION = {
    "argument_malformed": Entry(
        "argument {field!r} of {operation} can't be {value}: {reason}", "invalid"
    ),
    "argument_missing": Entry("{operation} needs the argument {field!r}", "invalid"),
    "argument_unknown": Entry("{operation} has no argument {field!r}; it takes {known}", "invalid"),
    "phone_listener_tls": Entry(
        "the portal can't serve phones with {file}: {reason}; [tls] certificates and "
        "[provisioning] client_ca name its files",
        "unavailable",
    ),
    "portal_address": Entry(
        "the portal can't listen on {address}: {reason}; [portal] listen names another",
        "unavailable",
    ),
    "request_malformed": Entry("that is no request to the switch: {reason}", "invalid"),
    "backup_damaged": Entry("{path} is damaged: {name} {reason}", "invalid"),
    "backup_newer": Entry(
        "{path} was made by version {version}, whose database has version {found}, newer than "
        "this program's {known}: install the newer program",
        "unavailable",
    ),
    "backup_of_other_kind": Entry(
        "the backup has a database of {found}, and [database] url names {name}", "conflict"
    ),
    "backup_unreadable": Entry("{path} is no backup of a switch: {reason}", "invalid"),
    "move_changed": Entry(
        "{table} isn't the same in {name}: {what} is {found} and was {wanted}; nothing was moved",
        "failed",
    ),
    "move_occupied": Entry(
        "{name} has tables already: name an empty database (createdb makes one)", "conflict"
    ),
    "move_source": Entry(
        "books are moved from SQLite, and [database] url names {name}", "conflict"
    ),
    "move_target": Entry(
        "{url!r} is no database to move to: write postgresql://user:password@host/database",
        "invalid",
        "url",
    ),
    "program_missing": Entry(
        "{program} isn't installed, and PostgreSQL is backed up by it (Debian: postgresql-client)",
        "unavailable",
    ),
    "restore_occupied": Entry(
        "{path} holds a switch already: --replace puts the backup in its place, and keeps the "
        "files that are there in a folder named replaced-TIME",
        "conflict",
    ),
    "restore_while_running": Entry("a switch is running: stop it first ({where})", "conflict"),
    "database_error": Entry("database {name}: {reason}", "unavailable"),
    "database_failed": Entry("{reason}", "unavailable"),
    "database_missing": Entry(
        "the database {name} isn't there: run `softswitch init`", "unavailable"
    ),
    "database_number_too_large": Entry("a number is too big for the database", "invalid"),
    "database_version_new": Entry(
        "the database {name} has version {found}, newer than this program's {known}: "
        "install the newer program, or restore a backup from before the upgrade",
        "unavailable",
    ),
    "database_version_old": Entry(
        "the database {name} has version {found}, this program needs {needed}: run "
        "`softswitch init`",
        "unavailable",
    ),
    "file_not_kept": Entry("{name} can't be kept: {reason}", "unavailable"),
    "file_not_read": Entry("{path} can't be read: {reason}", "unavailable"),
    "file_not_written": Entry("{path} can't be written: {reason}", "unavailable"),
    "folder_not_created": Entry("{folder} can't be created: {reason}", "unavailable"),
    "media_worker_silent": Entry(
        "a media worker didn't answer in {seconds} s; one that hangs is replaced, and its "
        "calls end",
        "unavailable",
    ),
    "country_unknown": Entry(
        "there is no country {value!r}: write two capital letters, such as GE (ISO 3166)",
        "invalid",
        "country",
    ),
    "init_differs": Entry(
        "{path} exists and says {key} = {kept!r}, not {value!r}: change it there; init keeps what "
        "exists",
        "conflict",
    ),
    "time_zone_ambiguous": Entry(
        "{country} has several time zones: add --time-zone with one of {choices}",
        "invalid",
        "time_zone",
    ),
    "operation_failed": Entry(
        "{operation} failed inside the switch ({reason}); see its log", "failed"
    ),
    "operation_unknown": Entry("there is no operation {operation!r}", "not_found"),
    "realm_changed": Entry(
        "{path}: the lines' passwords belong to the realm {kept!r}, not to {realm!r}: set "
        "[sip] realm = {kept!r}",
        "conflict",
        "realm",
    ),
    "secret_too_short": Entry(
        "{path} is too short; remove it and run `softswitch init`", "unavailable"
    ),
    "secret_unusable": Entry(
        "{path} can't be used ({reason}); remove it and run `softswitch init`", "unavailable"
    ),
    "trace_off": Entry("no messages are kept: [trace] megabytes is 0", "unavailable"),
}
