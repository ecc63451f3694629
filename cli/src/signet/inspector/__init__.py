"""Looks into key sets and tokens, of any issuer, with the eyes of a Signet resource server."""
