"""One pass over the data: what is summed, in which order, by whom, and at what cost."""
