"""Pages, one module per family: its States, then its views, hung with `layout.screen`.

Importing a module hangs its pages; `ALL` is what the app imports.
"""

from micelio_app.pages import code, errors, home, landings, owner, project, session, sessions, sign_in, tokens

ALL = (home, sign_in, owner, project, code, landings, sessions, session, tokens, errors)
