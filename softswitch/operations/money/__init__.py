"""Operations on bills, taxes, wallets, bonuses and packages."""
