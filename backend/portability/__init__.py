"""Portability: whole repositories come in, go out, and stay the same on the way."""
