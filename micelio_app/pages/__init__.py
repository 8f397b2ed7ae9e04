"""Pages, one module per family: its States, then its views, hung with `layout.screen`.

Importing a module hangs its pages; `ALL` is what the app imports.
"""

from micelio_app.pages import (
    account,
    administration,
    code,
    commits,
    device,
    editing,
    errors,
    home,
    imports,
    invitation,
    landings,
    organization,
    owner,
    project,
    project_settings,
    session,
    sessions,
    sign_in,
    sign_up,
    tokens,
)

ALL = (
    home,
    sign_in,
    sign_up,
    device,
    account,
    administration,
    owner,
    organization,
    invitation,
    project,
    project_settings,
    code,
    editing,
    commits,
    landings,
    imports,
    sessions,
    session,
    tokens,
    errors,
)
