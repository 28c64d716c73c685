"""Operations on accounts: status, caps, debts, documents, requests, statements."""
