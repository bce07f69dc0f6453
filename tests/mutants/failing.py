"""A fault of the gateway that is itself faulty."""

from stickyconf.mutants.gateway.lua import edit_cookie


def calls_what_is_not_there(xds, kong):
    """Its Lua calls a function that nobody has written."""
    return edit_cookie(xds, "calls_what_is_not_there", "no_such_function(value)")
