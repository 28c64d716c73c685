"""Operations on texts: sending them, what became of them, and the carriers that take them."""
