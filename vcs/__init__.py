"""Version control, pure: no database, no web, no environment, no printing.

Layers, lower first: `objects` (ids and git's SHA-256 object forms), `segments` and
`log` (files and records), `store` (where files live), `index` and `repository` (reading),
`conflicts` and `landing` (moving HEAD). `wire` holds the gRPC protocol, which `mic` and
the server share.

Strings and bytes: paths, names and content are `bytes` as they are in the tree; object
ids, keys and ref names are `str`. Nobody decodes a path in here.
"""
