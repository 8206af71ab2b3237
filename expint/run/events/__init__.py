"""Events: what is looked for between the steps of a run."""

from expint.run.events.finder import Event, EventFinder, check_events

__all__ = ["Event", "EventFinder", "check_events"]
