"""Composition root: the plugin, and the fixtures that name a concrete target."""

pytest_plugins = ["stickyconf.plugin", "fixtures.target", "fixtures.record"]
