"""The session twin: the same small app, with sessions instead of tokens. Profile and orders know nothing of it."""
