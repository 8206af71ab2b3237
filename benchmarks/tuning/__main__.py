"""``python -m benchmarks.tuning``."""

import sys

from benchmarks.tuning import main

if __name__ == "__main__":
    main(sys.argv[1:])
