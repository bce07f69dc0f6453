"""``python -m stickyconf.mutants.matrix``: see ``runs``."""

import sys

from stickyconf.mutants.matrix.runs import main

if __name__ == "__main__":
    sys.exit(main())
