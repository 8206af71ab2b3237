"""``python -m expint`` is the command line."""

from expint.cli import main

if __name__ == "__main__":
    main()
