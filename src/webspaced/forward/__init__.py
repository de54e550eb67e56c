"""The way of a visitor's connection: ``listeners`` accept, ``visit`` pauses until the boot gate opens, ``relay`` copies.

Forwarded ports and boot ports are the same code; a boot port's visitors come from Traefik. ``hangup`` notices a held
visitor that went away, ``refusal`` says in HTTP why a webspace cannot be woken.
"""
