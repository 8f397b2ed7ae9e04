"""The pages for what is not there and for what broke.

The first is the 404 of the client's router and the server's alike. The second is only ever
sent by `Frontend.broken`, without scripts and with the request's id in place of its word.
"""

import reflex as rx

from micelio_app import layout, routes


def missing_page() -> rx.Component:
    """No page has this address."""
    return layout.page(layout.missing(), home=True, still=True)


def broken_page() -> rx.Component:
    """A request failed."""
    return layout.page(layout.broken("REQUEST-ID"), home=True, still=True)


rx.page(route="404", title=layout.MISSING_TITLE, image="")(missing_page)
rx.page(route=routes.BROKEN, title="That broke on our side · Micelio", image="")(broken_page)
