"""Operations on numbers: inventory, orders, rentals, porting, targets."""
