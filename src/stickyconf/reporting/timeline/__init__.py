"""A history as a picture: what happened to each session, when the cluster changed, and where a verdict points."""

from stickyconf.reporting.timeline.drawing import timeline
from stickyconf.reporting.timeline.files import Timelines

__all__ = ["Timelines", "timeline"]
