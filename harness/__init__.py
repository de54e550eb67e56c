"""What `make up`, the tests and the benchmarks share: virtual environments, packages, and an LXD of our own.

Standard library only: it runs under the system's Python before anything is installed.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the reader may well have an older one
    sys.exit("webspaced needs Python 3.11 or later; this is " + sys.version.split()[0])
