"""The smoke scripts of deploy/, each of which runs or validates what its folder holds.

    python -m tests.deploy                     all of them, and a table
    python -m tests.deploy slurm tls           these
    python -m tests.deploy --install           what is lacking is got by apt-get and pip, into temporary folders

A script ends with 0, or with 77 and the reason where what it needs is not there: NOT RUN.
"""
