"""A verified fake of LXD's REST API, and of Incus's."""
