"""Makes ``twistd webspaced`` known to Twisted; imports nothing of ours until it is run."""

from twisted.application.service import ServiceMaker

webspaced = ServiceMaker(
    "webspaced",
    "webspaced.tap",
    "Webspaces that sleep until somebody visits them.",
    "webspaced",
)
