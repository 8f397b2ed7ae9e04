"""The gRPC protocol that `mic` and the forge share: one proto per service and its stubs.

Stubs are made from the protos by `make protos` and checked in; a test compares them. Rpc
names are operation names, fields are argument names. Paths are `bytes` as in the tree.
Content travels only in streams: a header, then its chunks of at most `CHUNK` bytes.
"""

CHUNK = 256 * 1024
"""Bytes of content in one message of a stream."""

LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes of one message; the longest are listings of whole trees."""

PROBLEM = "micelio-error-bin"
"""Trailing metadata of a refusal: its problem document in JSON, as REST would answer it."""

MOVED = "micelio-moved"
"""Trailing metadata of a call that named a project by a former address: "organization/project" now. For an
organization by a former handle, its handle now.
"""

MOVED_FROM = "micelio-moved-from"
"""Beside it: the former address or handle that was named."""

PROBLEM_LIMIT = "micelio-problem-limit"
"""Metadata of a call: how many bytes of problem its caller takes; without it `SMALL_PROBLEM`."""

LARGEST_PROBLEM = 1024 * 1024
"""Bytes a problem may have when its caller takes that much."""

SMALL_PROBLEM = 4096
"""Bytes of problem that every gRPC client takes: most refuse 8 KB of metadata and base64 adds a third."""
