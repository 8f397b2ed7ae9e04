"""Embedding: how projects, landings and sessions look elsewhere, as pictures, badges, feeds and plain text.

All of it but the text is what a stranger sees, whoever asks: so it may be kept by anybody on the way,
and what is private is missing here like everywhere.
"""
