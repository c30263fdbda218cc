"""Tables that dgd writes, and the columns that it carries there."""
