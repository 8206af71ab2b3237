"""Runs as one compiled function: with fixed steps, and to a tolerance."""

from expint.ivp.scanning.fixed import Scan, scan
from expint.ivp.scanning.to_tolerance import ScanToTolerance

__all__ = ["Scan", "ScanToTolerance", "scan"]
