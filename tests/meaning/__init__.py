"""What data mean, shown: cases that were misread, a table of formats and doors, and real public files."""
