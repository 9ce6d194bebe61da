"""`python -m colorize`, the same as the command `colorize`."""

from colorize.cli import main

if __name__ == "__main__":
    main()
