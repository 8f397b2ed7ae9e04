"""Reviewed schema changes, one line for both databases. Models never create tables."""
