"""Arrays of this process and of other libraries as rows."""
