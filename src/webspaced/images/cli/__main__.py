"""``python -m webspaced.images.cli``: the command, where its script is not installed."""

import sys

from webspaced.images.cli import main

sys.exit(main())
