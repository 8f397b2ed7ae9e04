from tests.backend.accounts.conftest import letters, open_signup, site  # noqa: F401
from tests.backend.workbench import agent_of, bench  # noqa: F401
