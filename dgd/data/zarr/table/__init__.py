"""A table in a Zarr group, by its columns: numbers and times as they are, texts as codes with their levels."""
