"""One module per noun, imported when its word is said.

A module has `add_arguments(parser)` and either `run(here, args)` or verbs added through
`mic.parsing.verb`; `EXAMPLE` ends its help; `ALONE` is its arguments when none is given.
"""
