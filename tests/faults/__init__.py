"""Faults, injected into real processes and files: what a user may expect, what 0.1.0 did at first, what is seen now.

    python -m tests.faults                  every row, a table at the end; exit code 1 if one is not as expected
    python -m tests.faults F1 A13 zip       the rows of these names, F7-gone with F7
    python -m tests.faults --list           the rows

Each row runs in a process of its own, with a limit in seconds: a hang is a result, too.

rows       what a row is, and what rows share     clusters   workers, schedulers and clients that die
data       chunks that change, hang or are lost   clocks     workers that are frozen, slow, stuck or blind
strangers  models and stores made to do harm      writing    full disks, killed writers, two writers
tls        certificates, right and wrong          soak       what grows over many passes and fits
"""
