"""Ingest of tables with text and times: written by their columns, texts as codes with their levels."""
