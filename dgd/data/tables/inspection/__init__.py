"""What is in files before they are ingested: `dgd.inspect`, one report of all that stands in the way."""
