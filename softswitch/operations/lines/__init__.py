"""Operations on lines and what belongs to a line."""
