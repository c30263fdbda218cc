"""What a command shows while it works, on stderr unless it is --quiet, and in the file of --log.

screen   where it goes: a line of the terminal that is redrawn, else lines now and then, and a log beside them
log      the file of --log                   line     the redrawn line, with a bar of `rich` where it is installed
passes   what is shown of passes             counts   of rows and bytes: what is left, and how long it will take
waiting  what only takes time                options  --quiet and --log
"""
