"""Small tools for Deferreds and time that know nothing of webspaces."""
