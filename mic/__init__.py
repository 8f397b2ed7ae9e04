"""The command line: version control here, the forge over gRPC.

A command parses, calls the workspace or the client, and renders. What every command pays for
is imported here at the top of modules: `main`, `workspace`, `index` and `scan` import nothing
that is slow to start, so `mic status` answers within a few interpreter starts. Everything
else (argparse, gRPC, SQLite, `vcs`) is imported by the command that needs it.
"""

__version__ = "0.1.0"
