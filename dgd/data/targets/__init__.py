"""Many targets as an array of cells: how it is cut, read and opened, a few stored chunks at a time."""
