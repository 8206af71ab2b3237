"""Other people's solvers beside ours: ``python -m benchmarks.peers`` installs them apart and prints tables.

    python -m benchmarks.peers [--environment FOLDER] [--folder FOLDER] [--errors 1e-4 1e-8] [--tasks "KS" …]

The peers are installed into a virtual environment of their own, at the versions of ``requirements.txt``; what cannot be
installed is left out and said so. Then ``side_by_side`` runs there, with this checkout on its path.
"""

from benchmarks.peers.environment import main

__all__ = ["main"]
