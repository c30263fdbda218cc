"""Callbacks of a fit, for `dgd.fit(callbacks=[...])`.

    import dgd
    result = dgd.fit("train.zarr", callbacks=[dgd.callbacks.Events("run.jsonl")])

A callback is a function of a `Record`, called after each pass; one that returns True stops the fit. What else it may
have, each of it if it likes:

    on_start(beginning)       before the first pass: what is fitted, how, and what a pass costs (`Beginning`)
    on_event(event)           while a pass runs (`Event`); True ends the fit in mid-pass
    on_end(result, error)     the result and None, or what was reached, if anything, and the error

events    what happens in a fit as lines of JSON          reading   such a file, read and checked
"""

from dgd.fitting.beginning import Beginning
from dgd.fitting.callbacks.events import Events
from dgd.fitting.callbacks.reading import EventFile, read_events

__all__ = ["Beginning", "EventFile", "Events", "read_events"]
