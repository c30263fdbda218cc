"""What the lines of an event file are: its version, and what each kind of line holds.

Each line is an object of JSON with `schema`, `event`, `run` (the fit, the same in all its lines), `time` (UTC, ISO
8601) and `elapsed` (seconds since the fit's first line), and

    start   dgd, numpy, and the fields of a `Beginning`: data, rows, columns, loss, solver, chunks, bytes_per_pass, …
    pass    the fields of a `Record`: iteration, loss, grad_norm, learning_rate, seconds, bytes_read, accepted, …,
            passes_expected
    wait    kind, message, stuck: what a pass waits for, as in an `Event`
    end     status, message, n_iter, seconds, loss, explained, checkpoint; error (its class) where there was one

Later versions of dgd may add fields and kinds of lines under the same version: a reader passes over what it does not
know. A field that is taken away, or means something else, makes a new version.
"""

VERSION = 1
SCHEMA = f"dgd.events/{VERSION}"
NAME = "dgd.events/"
NEEDED = {
    "start": ("rows", "columns", "loss", "solver", "passes_before"),
    "pass": ("iteration", "loss", "grad_norm", "seconds", "bytes_read"),
    "end": ("status", "message"),
}
"""What a reader needs of each kind of line."""
