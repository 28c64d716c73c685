"""Operations on trunks, nodes, prompts and mails."""
