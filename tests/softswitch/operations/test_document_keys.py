"""Documents at rest: encrypted, bound to their account, and the keys that open them."""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text, update

from softswitch.control.errors import OperationError
from softswitch.operations.accounts import accounts, document_keys, documents
from softswitch.operations.context import Context
from softswitch.operations.installation.backup import take
from softswitch.operations.installation.check import check
from softswitch.subscribers import document_seal
from softswitch.subscribers.document_seal import KeyMissing, SealBroken
from softswitch.subscribers.subscriber_store import documents_table

SCAN = b"%PDF-1.7 the passport of Ana"
CONTENT = base64.b64encode(SCAN).decode()


def uploaded(context: Context, name: str = "Ana") -> int:
    accounts.account_add(context, name)
    row = documents.document_upload(context, name, "identity", "scan.pdf", CONTENT)
    return int(str(row["id"]))


def content(context: Context, document: int) -> bytes:
    return base64.b64decode(str(documents.document_content(context, document)["content"]))


def code_of(function: Callable[[], object]) -> str:
    with pytest.raises(OperationError) as caught:
        function()
    return caught.value.code


def checked(context: Context) -> tuple[object, str]:
    (row,) = [one for one in check(context.config) if one["check"] == "documents"]
    return row["ok"], str(row["detail"])


def make_clear(context: Context, document: int) -> None:
    """Keep a document as older versions did."""
    with context.billing.engine.begin() as connection:
        values = {"content": SCAN, "sealed_key": None}
        table = documents_table
        connection.execute(update(table).where(table.c.id == document).values(values))


def test_the_database_holds_no_octet_of_a_document(context: Context) -> None:
    document = uploaded(context)
    with context.billing.engine.connect() as connection:
        rows = connection.execute(text("SELECT content FROM account_documents")).scalars().all()
    assert [SCAN[8:16] in bytes(one) for one in rows] == [False]
    database = context.config.database_file
    assert database is not None
    assert not any(b"passport" in one.read_bytes() for one in database.parent.glob("*.db*"))
    assert content(context, document) == SCAN
    path = context.config.documents_key_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert checked(context) == (True, f"1 encrypted by {path}")


def test_a_document_in_the_place_of_anothers_is_refused(context: Context) -> None:
    first, second = uploaded(context), uploaded(context, "Gio")
    table = documents_table
    with context.billing.engine.begin() as connection:
        row = connection.execute(
            text("SELECT content, sealed_key FROM account_documents WHERE id = :id"), {"id": first}
        ).one()
        values = {"content": row[0], "sealed_key": row[1]}
        connection.execute(update(table).where(table.c.id == second).values(values))
    assert code_of(lambda: documents.document_content(context, second)) == "document_sealed"


def test_a_new_key_wraps_every_document_and_older_copies_stay_readable(context: Context) -> None:
    document = uploaded(context)
    old = context.subscribers.document_content(document)
    told = document_keys.document_encrypt(context, new_key=True)
    assert (told["keys"], told["encrypted"], told["wrapped"]) == (2, 0, 1)
    assert content(context, document) == SCAN
    newest, older = document_keys.read_keys(context.config.documents_key_file)
    found = context.subscribers.document(document)
    assert found is not None
    bound = document_keys.bound_to(found)
    kept = context.subscribers.document_content(document)
    assert document_seal.opened(kept, [newest], bound) == SCAN
    assert document_seal.opened(old, [older], bound) == SCAN
    with pytest.raises(KeyMissing):
        document_seal.opened(kept, [older], bound)
    again = document_keys.document_encrypt(context)
    assert (again["encrypted"], again["wrapped"]) == (0, 0)


def test_documents_of_older_versions_are_read_and_then_encrypted(context: Context) -> None:
    document = uploaded(context)
    make_clear(context, document)
    assert content(context, document) == SCAN
    assert checked(context) == (
        False, "1 aren't encrypted: run `softswitch document encrypt`"
    )  # fmt: skip
    told = document_keys.document_encrypt(context)
    assert (told["encrypted"], told["wrapped"]) == (1, 0)
    assert not context.subscribers.document_content(document).is_clear
    assert content(context, document) == SCAN


def test_without_its_key_no_document_is_read_or_taken_and_no_other_key_is_made(
    context: Context,
) -> None:
    document, path = uploaded(context), context.config.documents_key_file
    path.rename(path.with_suffix(".away"))
    assert code_of(lambda: documents.document_content(context, document)) in (
        "document_sealed", "documents_key_unusable"
    )  # fmt: skip
    assert code_of(lambda: uploaded(context, "Gio")) == "documents_key_missing"
    assert code_of(lambda: document_keys.document_encrypt(context)) == "documents_key_missing"
    assert not path.exists()
    assert checked(context)[0] is False
    path.write_text("00" * 32 + "\n")
    path.chmod(0o600)
    assert code_of(lambda: documents.document_content(context, document)) == "document_sealed"
    assert checked(context) == (False, f"{path} lacks the key of 1 documents")
    path.write_text("no key\n")
    assert code_of(lambda: documents.document_content(context, document)) == (
        "documents_key_unusable"
    )


def test_a_key_that_others_can_read_is_a_fault(context: Context) -> None:
    uploaded(context)
    context.config.documents_key_file.chmod(0o644)
    assert checked(context)[0] is False


@pytest.mark.parametrize("outside", [False, True])
def test_a_backup_has_the_key_or_names_it(context: Context, tmp_path: Path, outside: bool) -> None:
    if outside:
        elsewhere = tmp_path / "elsewhere" / "documents.key"
        switch = context.config.switch.model_copy(update={"documents_key": elsewhere})
        context.config = context.config.model_copy(update={"switch": switch})
    uploaded(context)
    path = context.config.documents_key_file
    assert path.exists()
    row = take(context.config, tmp_path / "backups")
    assert row["left_out"] == ([str(path)] if outside else [])


def test_tampered_content_is_refused() -> None:
    master = document_seal.new_key()
    kept = document_seal.sealed(SCAN, [master], b"1:x")
    assert document_seal.opened(kept, [master], b"1:x") == SCAN
    with pytest.raises(SealBroken):
        document_seal.opened(kept, [master], b"2:x")
    changed = replace(kept, content=kept.content[:-1] + bytes([kept.content[-1] ^ 1]))
    with pytest.raises(SealBroken):
        document_seal.opened(changed, [master], b"1:x")
    with pytest.raises(SealBroken):
        document_seal.opened(replace(kept, content=b""), [master], b"1:x")
