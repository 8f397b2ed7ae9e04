"""Rendering: code, differences and prose as HTML that pages fetch and put in as it is.

Everything in here is pure and trusts nothing it is given: a path, a line and a README were
written by strangers. Markup and class names are those of the look; colours are CSS's business.
"""

VERSION = "2"
"""Changes whenever the same input is drawn differently, so that browsers ask again."""
