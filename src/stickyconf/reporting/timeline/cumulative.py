"""How many new sessions each pod has got, against time: a drained pod's line goes flat."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from stickyconf.model import History
from stickyconf.reporting.timeline.canvas import Scale, element, round_steps, titled
from stickyconf.reporting.timeline.pods import COLOURS, place
from stickyconf.reporting.timeline.style import DASHES

HEIGHT = 150.0
LABEL = 12.0
FEWEST = 10
"""With fewer new sessions than this the plot is left out."""


def new_sessions(history: History) -> dict[str, list[float]]:
    """Return pod -> when it was given each new session: a request it served that came without the sticky cookie."""
    found: dict[str, list[float]] = {}
    for exchange in history.exchanges:
        if exchange.pod and not exchange.carried(history.setup.cookie):
            found.setdefault(exchange.pod, []).append(exchange.sent)
    return found


def plot_new_sessions(
    root: ElementTree.Element, history: History, letters: Mapping[str, str], x: Scale, top: float, bottom: float
) -> tuple[float, float]:
    """Draw the plot from ``top`` down and return where the picture ends, and how far down its lines have to go."""
    placed = new_sessions(history)
    most = max(map(len, placed.values()), default=0)
    if sum(map(len, placed.values())) < FEWEST:
        return top, bottom
    floor = top + 22 + HEIGHT

    def y(count: float) -> float:
        return floor - count / most * (HEIGHT - 8)

    layer = element(root, "g")
    element(layer, "text", "new sessions, each pod's sum", kind="on strong", x=12, y=top + 15)
    for count in round_steps(0, most, 5):
        if count == int(count):
            element(layer, "line", kind="rule", x1=x.left, x2=x.right, y1=y(count), y2=y(count))
            element(layer, "text", f"{count:.0f}", kind="dim end", x=x.left - 6, y=y(count) + 4)
    labels = []
    for pod in (pod for pod in letters if pod in placed):
        number, times = place(letters, pod), placed[pod]
        steps = "".join(f"H{x(when):.1f}V{y(count):.1f}" for count, when in enumerate(times, start=1))
        path = f"M{x(x.start):.1f} {y(0):.1f}{steps}H{x.right:.1f}"
        line = titled(layer, "path", f"{pod}: {len(times)} new sessions", kind=f"line s{number % COLOURS}", d=path)
        if DASHES[number % len(DASHES)]:
            line.set("stroke-dasharray", DASHES[number % len(DASHES)])
        labels.append((y(len(times)), f"{letters[pod]} {len(times)}", number % COLOURS))
    lowest = -1e9
    for height, said, colour in sorted(labels):
        lowest = max(height, lowest + LABEL)  # of pods with about as many, one below the other
        element(layer, "rect", kind=f"f{colour}", x=x.right + 4, y=lowest - 5, width=3, height=10)
        element(layer, "text", said, kind="strong", x=x.right + 10, y=lowest + 4)
    return max(floor, lowest) + 8, floor
