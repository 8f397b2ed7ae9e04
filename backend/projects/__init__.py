"""Projects: a name, who may see it, and the log its code lives in.

The row knows names and settings; everything about code comes from the log through `code.py`.
`access.py` is the only way to get a project: it fetches and checks in one step.
"""
