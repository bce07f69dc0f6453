"""Composition root: the fixtures that name a concrete target."""

pytest_plugins = ["fixtures.target", "fixtures.kind", "fixtures.record"]
