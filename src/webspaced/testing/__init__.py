"""Verified fakes: stand-ins for the services around webspaced, held to the same contracts as the real ones."""
