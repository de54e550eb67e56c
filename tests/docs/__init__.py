"""The documentation is run: every fenced block of the README, of CONTRIBUTING and of ``docs/``.

Shell blocks run against a simulated daemon, settings are loaded, values of the chart are held against its schema. What does
not run says why, in a comment before the block: ``<!-- not run: the reason -->``. ``<!-- prepared: things -->`` says what a
page's blocks need beforehand, and ``<!-- checked: what and by whom -->`` that a block of YAML is another program's.
"""
