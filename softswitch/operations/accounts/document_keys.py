"""The keys of documents at rest: their file, sealing and opening, and a new key for all."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path

from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.installation.archive import sync_folder
from softswitch.subscribers import document_seal
from softswitch.subscribers.document_seal import KEY_OCTETS, KeyMissing, SealBroken, Sealed
from softswitch.subscribers.subscriber_store import Document

_WRITING = threading.Lock()
"""Held while a key is added: of two at the same time one would be lost."""


def document_encrypt(context: Context, new_key: bool = False) -> Row:
    """Encrypt the documents that aren't, and have every other wrapped by the newest key.

    Args:
        new_key: make another key first. Older ones stay in the file, for backups that need them.
    """
    store, path = context.subscribers, context.config.documents_key_file
    with _WRITING:
        masters = master_keys(context)
        if new_key:
            masters = [document_seal.new_key(), *masters]
            _write(path, masters)
    newest = document_seal.key_id(masters[0])
    encrypted = wrapped = 0
    for document, found in store.documents_not_sealed_by(newest):
        if found.is_clear:
            encrypted += 1
            found = Sealed(b"", store.document_content(document.id).content)
        else:
            wrapped += 1
        try:
            anew = document_seal.wrapped_anew(found, masters, bound_to(document))
        except (KeyMissing, SealBroken):
            raise OperationError("document_sealed", document=document.id, path=path) from None
        store.seal_document(document.id, anew, found.is_clear)
    return {
        "key": newest.hex(), "keys": len(masters), "encrypted": encrypted, "wrapped": wrapped,
        "path": str(path),
    }  # fmt: skip


def sealed(context: Context, document: Document, content: bytes) -> Sealed:
    """The content as it is kept. Raises OperationError."""
    return document_seal.sealed(content, master_keys(context), bound_to(document))


def opened(context: Context, document: Document) -> bytes:
    """The content of a document. Raises OperationError."""
    found = context.subscribers.document_content(document.id)
    if found.is_clear:
        return found.content
    path = context.config.documents_key_file
    try:
        return document_seal.opened(found, read_keys(path), bound_to(document))
    except (KeyMissing, SealBroken):
        raise OperationError("document_sealed", document=document.id, path=path) from None


def bound_to(document: Document) -> bytes:
    """The name of the account and of the content, for the seal."""
    return f"{document.account_id}:{document.sha256}".encode()


def master_keys(context: Context) -> list[bytes]:
    """The master keys, the newest first; a first one is made where no document needs another.

    Raises:
        OperationError: documents were sealed by a key that isn't here.
    """
    path = context.config.documents_key_file
    if path.exists():
        return read_keys(path)
    if context.subscribers.has_sealed_documents():
        raise OperationError("documents_key_missing", path=path)
    _write(path, [document_seal.new_key()], is_first=True)
    return read_keys(path)


def read_keys(path: Path) -> list[bytes]:
    """The keys of a file: one a line, in hexadecimal digits. Raises OperationError."""
    try:
        keys = [bytes.fromhex(line) for line in path.read_text("ascii").split()]
    except (OSError, ValueError) as error:
        raise OperationError("documents_key_unusable", path=path, reason=error) from None
    if not keys or any(len(key) != KEY_OCTETS for key in keys):
        reason = f"each line has {KEY_OCTETS * 2} hexadecimal digits"
        raise OperationError("documents_key_unusable", path=path, reason=reason)
    return keys


def _write(path: Path, keys: list[bytes], *, is_first: bool = False) -> None:
    """Write the file as a whole, for its owner alone; no key is lost if that breaks off. Raises
    OperationError.

    Args:
        is_first: leave a file that came meanwhile as it is.
    """
    text = "".join(f"{key.hex()}\n" for key in keys)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if is_first:
            with contextlib.suppress(FileExistsError):
                os.link(name, path)
            os.unlink(name)
        else:
            os.replace(name, path)
        sync_folder(path.parent)
    except OSError as error:
        raise OperationError("file_not_written", path=path, reason=error.strerror) from None
