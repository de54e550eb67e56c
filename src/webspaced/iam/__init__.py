"""Identity providers: who holds a token, and who is meant by a name or id. Nothing outside knows which one runs."""
