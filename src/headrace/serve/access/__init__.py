"""Who may ask: tokens of a project, and those of an identity provider."""

from headrace.serve.access.guard import Guard
from headrace.serve.access.tokens import SCOPES, Token, Tokens

__all__ = ["SCOPES", "Guard", "Token", "Tokens"]
