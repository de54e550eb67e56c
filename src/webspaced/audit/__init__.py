"""The audit log: who changed what, on whose behalf, from where, why and with which outcome (a stream of its own).

Calls of the API and orders of operators are told of where they are answered, and what follows from them in LXD, or from a
visit, a schedule or idleness, where LXD is asked for it. Whatever the stream's file does, nobody waits for it.
"""
