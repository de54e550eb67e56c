"""Makes the services known to Twisted, as ``twistd webspaced``; imports nothing of ours until one is run."""

from twisted.application.service import ServiceMaker

webspaced = ServiceMaker(
    "webspaced",
    "webspaced.tap",
    "Webspaces that sleep until somebody visits them.",
    "webspaced",
)
webspaced_images = ServiceMaker(
    "webspaced-images",
    "webspaced.images.tap",
    "Images for LXD and Incus, from the releases of a repository or from a directory.",
    "webspaced-images",
)
webspaced_lan = ServiceMaker(
    "webspaced-lan",
    "webspaced.lan.tap",
    "A layer-2 LAN for pods and containers, over VXLAN.",
    "webspaced-lan",
)
webspaced_router = ServiceMaker(
    "webspaced-router",
    "webspaced.router.tap",
    "Addresses, names and the way out for containers, by what LXD says of them.",
    "webspaced-router",
)
