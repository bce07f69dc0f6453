"""Ages as kubectl shows them (``k8s.io/apimachinery/pkg/util/duration``, HumanDuration)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY


def human(seconds: float) -> str:
    """``42s``, ``3m5s``, ``17m``, ``2h30m``, ``9h``, ``3d4h``, ``12d``, ``2y30d``, ``9y``."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    minutes, hours, days, years = total // MINUTE, total // HOUR, total // DAY, total // YEAR
    if total < 2 * MINUTE:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % MINUTE, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 8 * 24:
        return _two(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if years < 8:
        return _two(years, "y", days % 365, "d")
    return f"{years}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def since(timestamp: str) -> str:
    """How long ago an RFC 3339 time was."""
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return "<invalid>"
    return human((datetime.now(UTC) - then).total_seconds())


def age(obj: dict[str, Any]) -> str:
    """How long ago an object was created."""
    created = obj["metadata"].get("creationTimestamp")
    return since(created) if created else "<unknown>"
