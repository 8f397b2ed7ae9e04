"""The forge: vertical slices on a small core, doors in front.

`core` knows no domain word. Each slice (`accounts`, `organizations`, `projects`,
`sessions`, `instance`) holds its models, schemas and services; services are plain
functions registered as operations. `doors` are the only modules that speak a protocol.
"""
