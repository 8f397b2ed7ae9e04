"""git: our objects as git has them, and git's as we keep them.

Only this package knows git's SHA-1 world: `translate` turns single objects over, both ways.
"""
