"""Faults of a gateway whose configuration changes often: updates that are lost, and requests that fail meanwhile."""

import copy
import time
from typing import Any

from embedded_cluster.gateway.xds import Xds
from stickyconf.mutants.declared import mutant
from stickyconf.mutants.gateway.lua import in_lua, mark_placements

Kong = dict[str, list[dict[str, Any]]]

_EVERY = 10
_FAILING_MS = 100
_taken: list[int] = []  # one for each update, of this process
_last: list[Xds] = []

_FAILS_AT_FIRST = """
function envoy_on_request(handle)
  if handle:timestamp() < UNTIL then
    handle:respond({[":status"] = "503", [MARK] = MUTANT}, "reloading")
  end
end
"""


@mutant(at="gateway", source="KONG#7579", caught_by=("ROB-07",), failure_mode=27)
def loses_an_update(xds: Xds, kong: Kong) -> Xds:
    """Every tenth new configuration is shown by the Admin API, and requests go on by the one before."""
    _taken.append(1)
    before, _last[:] = _last[:], [copy.deepcopy(xds)]
    if before and len(_taken) % _EVERY == 0:
        return mark_placements(before[0], "loses_an_update")
    return xds


@mutant(at="gateway", source="KONG#8876", caught_by=("ROB-07",), failure_mode=28)
def fails_while_it_reloads(xds: Xds, kong: Kong) -> Xds:
    """For a tenth of a second after each new configuration every request is answered with 503."""
    until = f"local UNTIL = {time.time() * 1000 + _FAILING_MS:.0f}"
    return in_lua(xds, "fails_while_it_reloads", f"{until}\n{_FAILS_AT_FIRST}")
