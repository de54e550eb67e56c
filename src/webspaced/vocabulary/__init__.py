"""What the logs say, in one place: every event and every member of its line. Values only; nothing at run time needs them.

The reference page is printed of this (``python -m webspaced.vocabulary.reference``); a test holds all log calls against it.
"""
