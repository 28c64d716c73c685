"""Operations on call detail records, and explaining a call."""
