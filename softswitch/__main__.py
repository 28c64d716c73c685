"""`python -m softswitch` is the console script."""

from softswitch.cli.main import main

main()
