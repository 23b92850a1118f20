"""``python -m recpress_edge`` is the same as ``recpress-edge``."""

import sys

from recpress_edge.cli import main

if __name__ == "__main__":
    sys.exit(main())
