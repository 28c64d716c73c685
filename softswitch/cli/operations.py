"""The operations that commands call, by the modules that define them.

For mypy these are the modules themselves, so it checks the arguments of every call. When a command
runs, `operations.lines.line_add` is only the operation's name, since that is all that a request to
the running switch needs: importing the modules takes ten times as long as such a command does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softswitch.operations.accounts import accounts as accounts
    from softswitch.operations.accounts import announcements as announcements
    from softswitch.operations.accounts import bulk as bulk
    from softswitch.operations.accounts import caps as caps
    from softswitch.operations.accounts import debts as debts
    from softswitch.operations.accounts import document_keys as document_keys
    from softswitch.operations.accounts import documents as documents
    from softswitch.operations.accounts import notes as notes
    from softswitch.operations.accounts import notices as notices
    from softswitch.operations.accounts import overview as overview
    from softswitch.operations.accounts import requests as requests
    from softswitch.operations.accounts import standing as standing
    from softswitch.operations.accounts import statements as statements
    from softswitch.operations.calls import explain as explain
    from softswitch.operations.calls import incoming as incoming
    from softswitch.operations.calls import past_call as past_call
    from softswitch.operations.calls import records as records
    from softswitch.operations.devices import codes as codes
    from softswitch.operations.devices import devices as devices
    from softswitch.operations.installation import audit as audit
    from softswitch.operations.installation import search as search
    from softswitch.operations.lines import completions as completions
    from softswitch.operations.lines import greetings as greetings
    from softswitch.operations.lines import line_table as line_table
    from softswitch.operations.lines import lines as lines
    from softswitch.operations.lines import pin_locks as pin_locks
    from softswitch.operations.lines import recordings as recordings
    from softswitch.operations.lines import registrations as registrations
    from softswitch.operations.lines import rooms as rooms
    from softswitch.operations.lines import services as services
    from softswitch.operations.lines import voicemail as voicemail
    from softswitch.operations.money import bills as bills
    from softswitch.operations.money import bonuses as bonuses
    from softswitch.operations.money import forecast as forecast
    from softswitch.operations.money import packages as packages
    from softswitch.operations.money import payment_intents as payment_intents
    from softswitch.operations.money import payments as payments
    from softswitch.operations.money import preview as preview
    from softswitch.operations.money import taxes as taxes
    from softswitch.operations.money import turnover as turnover
    from softswitch.operations.money import wallets as wallets
    from softswitch.operations.network import mails as mails
    from softswitch.operations.network import nodes as nodes
    from softswitch.operations.network import trunks as trunks
    from softswitch.operations.numbers import moves as moves
    from softswitch.operations.numbers import numbers as numbers
    from softswitch.operations.numbers import offered as offered
    from softswitch.operations.numbers import orders as orders
    from softswitch.operations.numbers import reaches as reaches
    from softswitch.operations.numbers import shop as shop
    from softswitch.operations.tariffs import rerating as rerating
    from softswitch.operations.tariffs import tariff_terms as tariff_terms
    from softswitch.operations.tariffs import tariffs as tariffs
    from softswitch.operations.texts import batch_reports as batch_reports
    from softswitch.operations.texts import batches as batches
    from softswitch.operations.texts import businesses as businesses
    from softswitch.operations.texts import carriers as carriers
    from softswitch.operations.texts import contact_table as contact_table
    from softswitch.operations.texts import contacts as contacts
    from softswitch.operations.texts import conversations as conversations
    from softswitch.operations.texts import stops as stops
    from softswitch.operations.texts import templates as templates
    from softswitch.operations.texts import text_figures as text_figures
    from softswitch.operations.texts import texts as texts
    from softswitch.operations.users import tokens as tokens
    from softswitch.operations.users import users as users
    from softswitch.operations.users import webhooks as webhooks
    from softswitch.process import live as live
else:

    class Name:
        """Stands for an operation."""

        def __init__(self, name: str) -> None:
            self.__name__ = name

    class Module:
        """Stands for a module of operations."""

        def __getattr__(self, name: str) -> Name:
            return Name(name)

    def __getattr__(name: str) -> Module:
        if name.startswith("__"):
            raise AttributeError(name)
        return Module()
