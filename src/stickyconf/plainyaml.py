"""How YAML is read and written: plain data only, in C if PyYAML was built with libyaml, which is ten times faster."""

from __future__ import annotations

from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""For ``yaml.load`` and ``yaml.load_all``; raises yaml.YAMLError for what is no YAML."""
DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""For ``yaml.dump`` and ``yaml.dump_all``."""
