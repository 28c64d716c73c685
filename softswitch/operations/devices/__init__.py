"""Operations on devices: desk phones and apps of lines, and what the portal tells of them."""
