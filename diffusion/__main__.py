"""``python -m diffusion`` is the command line."""

from diffusion.cli import main

if __name__ == "__main__":
    main()
