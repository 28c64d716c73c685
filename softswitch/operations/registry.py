"""Every operation by its name, and the two ways to have one done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from softswitch.config.config import Config
from softswitch.control.errors import OperationError
from softswitch.database.changes import Changes
from softswitch.operations.accounts import (
    accounts,
    caps,
    debts,
    documents,
    requests,
    standing,
    statements,
)
from softswitch.operations.calls import explain, records
from softswitch.operations.context import Context, Reload
from softswitch.operations.installation.setup import naming_database_errors, opened
from softswitch.operations.lines import (
    completions,
    greetings,
    lines,
    pin_locks,
    recordings,
    registrations,
    rooms,
    services,
    voicemail,
)
from softswitch.operations.money import bills, bonuses, packages, taxes, wallets
from softswitch.operations.network import mails, nodes, trunks
from softswitch.operations.numbers import moves, numbers, orders, reaches
from softswitch.operations.tariffs import rerating, tariff_terms, tariffs

if TYPE_CHECKING:
    from softswitch.control.server import Handler

Operation = Callable[..., Any]

OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation
    for operation in (
        accounts.account_add,
        statements.account_calls,
        statements.account_ledger,
        accounts.account_authenticate,
        accounts.account_list,
        accounts.account_login,
        standing.account_history,
        standing.account_status,
        documents.document_approve,
        documents.document_content,
        documents.document_list,
        documents.document_refuse,
        documents.document_upload,
        requests.request_done,
        requests.request_list,
        requests.request_open,
        requests.request_refuse,
        requests.request_show,
        packages.account_notices,
        wallets.account_refund,
        debts.account_debts,
        accounts.account_set,
        accounts.account_show,
        accounts.account_topup,
        bills.account_contract,
        bills.account_reconciliation,
        bills.bill_list,
        bills.bill_paper,
        bills.bill_show,
        bonuses.bonus_list,
        caps.account_cap,
        caps.account_caps,
        bonuses.bonus_rates,
        bonuses.bonus_set,
        completions.completion_cancel,
        completions.completion_list,
        explain.explain_call,
        greetings.greeting_choose,
        greetings.greeting_delete,
        greetings.greeting_export,
        greetings.greeting_list,
        greetings.greeting_upload,
        lines.line_add,
        lines.line_disconnect,
        lines.line_import,
        lines.line_list,
        lines.line_reconnect,
        lines.line_remove,
        lines.line_resume,
        services.call_malicious,
        services.line_mark,
        services.line_service_clear,
        services.line_service_list,
        services.line_service_set,
        moves.line_restore,
        moves.number_change,
        moves.number_changes,
        moves.port_advance,
        moves.port_in,
        moves.port_list,
        moves.port_out,
        lines.line_set,
        lines.line_show,
        lines.line_suspend,
        mails.mail_list,
        mails.mail_retry,
        mails.mail_test,
        nodes.node_list,
        nodes.node_recover,
        numbers.number_add,
        numbers.number_import,
        numbers.number_list,
        reaches.number_reach,
        reaches.number_unreach,
        orders.number_offer,
        orders.number_offers,
        orders.order_add,
        orders.order_cancel,
        orders.order_connect,
        orders.order_list,
        orders.order_refuse,
        orders.order_show,
        orders.order_submit,
        numbers.number_restore,
        numbers.number_sms,
        numbers.number_try,
        numbers.number_wait,
        numbers.number_waits,
        numbers.rental_discounts,
        numbers.rental_give_up,
        numbers.rental_list,
        numbers.rental_order,
        packages.destination_list,
        packages.destination_set,
        packages.package_auto_renew,
        packages.package_buy,
        packages.package_define,
        packages.package_list,
        packages.package_show,
        packages.package_withdraw,
        records.cdr_export,
        records.cdr_list,
        rerating.cdr_corrections,
        rerating.rerate,
        records.ledger_verify,
        registrations.registration_list,
        tariff_terms.tariff_assign,
        tariff_terms.tariff_assignments,
        tariff_terms.tariff_set,
        tariffs.tariff_import,
        tariffs.tariff_list,
        tariffs.tariff_quote,
        tariffs.tariff_show,
        tariffs.tariff_undo,
        tariffs.tariff_versions,
        taxes.tax_list,
        taxes.tax_remove,
        taxes.tax_set,
        trunks.trunk_add,
        trunks.trunk_list,
        trunks.trunk_remove,
        trunks.trunk_resume,
        trunks.trunk_set,
        trunks.trunk_show,
        trunks.trunk_suspend,
        wallets.account_fee,
        wallets.wallet_buy,
        wallets.wallet_offer,
        wallets.wallet_offers,
        wallets.wallet_ledger,
        wallets.wallet_show,
        wallets.wallet_spend,
        wallets.wallet_trial,
        pin_locks.pin_list,
        pin_locks.pin_unlock,
        rooms.room_add,
        rooms.room_delete,
        rooms.room_list,
        rooms.room_set,
        rooms.room_show,
        recordings.recording_delete,
        recordings.recording_export,
        recordings.recording_list,
        recordings.recording_show,
        voicemail.voicemail_delete,
        voicemail.voicemail_disable,
        voicemail.voicemail_enable,
        voicemail.voicemail_export,
        voicemail.voicemail_list,
        voicemail.voicemail_mark,
        voicemail.voicemail_set,
        voicemail.voicemail_show,
    )
}


def perform_directly(config: Config, operation: str, arguments: Mapping[str, Any]) -> Any:
    """Do an operation on the database itself, when no switch runs. Raises OperationError."""
    with opened(config) as context:
        result = _named(operation)(context, **arguments)
        if context.changes.any():
            context.tell()
        return result


def server_handlers(context: Context, on_change: Callable[[Reload], None]) -> dict[str, Handler]:
    """Handlers for the running switch's control socket.

    Each operation runs in a thread, since it may wait for the disk; `context.apply` must get its
    commands to the single billing writer from there (see `submitting`). What it changed is read
    again in the same thread and handed to `on_change` inside the event loop."""
    return {name: _handler(context, operation, on_change) for name, operation in OPERATIONS.items()}


def _handler(
    context: Context, operation: Operation, on_change: Callable[[Reload], None]
) -> Handler:
    def work(arguments: Mapping[str, Any]) -> tuple[Any, Reload | None]:
        own = replace(context, changes=Changes())
        with naming_database_errors(context.config):
            result = operation(own, **arguments)
            if not own.changes.any():
                return result, None
            own.tell()
            return result, own.reload()

    async def handle(**arguments: Any) -> Any:
        result, reload = await asyncio.to_thread(work, arguments)
        if reload is not None:
            on_change(reload)
        return result

    return handle


def _named(operation: str) -> Operation:
    found = OPERATIONS.get(operation)
    if found is None:
        raise OperationError(f"there is no operation {operation!r}")
    return found
