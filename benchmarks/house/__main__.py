"""Print the figures of the house."""

from benchmarks.house import main

main()
