"""`make bench`: the figures of design section 9, measured on this machine.

A module measures one group; a ratio has both of its sides measured in the same run. Nothing here
is a test: `pytest` does not collect it, and `make ci` does not run it.
"""
