"""Operations on tariffs, their terms and re-rating."""
