"""The events of the image server."""

from __future__ import annotations

from collections.abc import Mapping

from webspaced.vocabulary.event import Event, broke, debug, error, info, warn

GROUPS: Mapping[str, tuple[Event, ...]] = {
    "The image server": (
        debug("images.answered", "A request was answered.", "address", "method", "path", "status"),
        warn("images.certificate-refused", "The server's new certificate cannot be used; the old one goes on.", "error"),
        info("images.certificate-renewed", "The server's new certificate is used."),
        warn("images.delta-failed", "No delta could be made.", "name", "error"),
        warn("images.facts-lost", "What was known of files cannot be read; they are read again.", "path", "error"),
        broke("images.fetch-broke", "A file could not be fetched because of a mistake of ours.", "name"),
        warn("images.fetch-failed", "A file could not be fetched; who asks next begins where it ended.", "name", "error"),
        error("images.folder-hidden", "A build in a folder is not listed: it cannot be read.", "name", "what", "error"),
        error("images.hidden", "A build is not listed: it is not what was published, or cannot be read.", "name", "what",
              "error"),
        broke("images.look-broke", "A look at a source ended by a mistake of ours.", "name"),
        info("images.listed", "Another list is served from now on.", "name", "count"),
        warn("images.snapshot-lost", "The list that was served last cannot be read; it is made again.", "path", "error"),
        info("images.source-found", "A source answers again.", "name"),
        warn("images.source-lost", "A source cannot be asked; its stream is served as it was.", "name", "error"),
        warn("images.unread", "A build is not listed yet, because its files cannot be had now.", "name", "error"),
    ),
}  # fmt: skip
