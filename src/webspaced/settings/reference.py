"""The sample configuration and the reference page, printed from the declarations of the settings.

``python -m webspaced.settings.reference sample`` prints ``config.sample.yaml``, and with
``markdown`` it prints ``docs/reference/settings.md``.
"""

from __future__ import annotations

import yaml

from webspaced.settings.printing import Pages, print_asked
from webspaced.settings.schema import SCHEMA, STANDALONE

_SAMPLE_HEAD = """\
# The configuration of webspaced. What is commented out shows the default or, where there is none,
# an example. Environment variables go before this file: WSD_ and the key in capitals, with _ for
# each dot (WSD_HTTP_LISTEN_ADDRESS). Durations are such as 30s, 1m30s or 250ms.
#
# Printed by `python -m webspaced.settings.reference sample`; change the declarations instead.

"""

_PAGE_HEAD = """\
# Settings

<!-- Printed by `python -m webspaced.settings.reference markdown`; change the declarations. -->

Settings come from a YAML file and, above it, from environment variables. The file is the one that
`--config` names, else `webspaced.yaml` in the working directory, else `/run/config/webspaced.yaml`,
else `/etc/webspaced/webspaced.yaml`.
In it the parts of a key are nested sections. A variable is `WSD_` and the key in capitals, with `_`
for each dot; empty variables count as not set.

Unknown keys and variables, values of the wrong type and settings that contradict each other end
start-up, and all of them are told at once.

`webspaced reload`, or SIGHUP, lets the daemon read the file again, and the files that it names. What
is marked *Reload* is then in effect; for the rest it tells which keys need a restart. When anything is
wrong, all stays as it was. Variables are those with which the process began.

- A *duration* is a number with its unit, or several: `30s`, `1m30s`, `250ms`.
- An *address* is `host:port`, `[IPv6 address]:port`, or `:port` for every interface.
- A *list* is a YAML list; in a variable its elements are separated by commas.
- A key ending in `_file` names a file that holds the value; the line break at its end is no part of
  it. Of a key and its `_file` only one may be set.

"""

_STANDALONE_HEAD = """\
## Without a file

With no file at all webspaced serves one machine by itself, on loopback. These defaults then differ,
and variables go before them:

| key | default |
|---|---|
"""


_PAGES = Pages(SCHEMA, _SAMPLE_HEAD, _PAGE_HEAD)


def sample() -> str:
    """Give the text of ``config.sample.yaml``, which loads as it is and uncommented."""
    return _PAGES.sample()


def markdown() -> str:
    """Give the text of ``docs/reference/settings.md``."""
    rows = (f"| `{key}` | `{_yaml_plain(value)}` |" for key, value in STANDALONE.items())
    return _PAGES.markdown() + "\n" + _STANDALONE_HEAD + "\n".join(rows) + "\n"


def _yaml_plain(value: object) -> str:
    dumped: str = yaml.safe_dump(value)
    return dumped.removesuffix("\n").removesuffix("\n...")


if __name__ == "__main__":
    print_asked(sample, markdown)
