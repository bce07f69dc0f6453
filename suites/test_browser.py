"""A real browser that manages its own cookies. A profile of its own: it needs Chromium on the machine."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios.browser import browse

history = recorded("browser", browse(contexts=13, loads=4))


@requirement("AFF-07")
def test_a_browser_keeps_its_pod(history, judge):
    """Each of 13 contexts stays on one pod while it loads 4 pages with images and fetch calls."""
    judge(checks.a_browser_keeps_its_pod, history)
