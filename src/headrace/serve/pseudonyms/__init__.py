"""Pseudonyms: personal values as records hold them, which only the keys of the project turn back."""

from headrace.serve.pseudonyms.cipher import MARK, Cipher, Lost, Pseudonym, in_json
from headrace.serve.pseudonyms.hidden import Hidden, Writing, hidden_in
from headrace.serve.pseudonyms.keys import Keys, keys_of, made_keys

__all__ = [
    "MARK",
    "Cipher",
    "Hidden",
    "Keys",
    "Lost",
    "Pseudonym",
    "Writing",
    "hidden_in",
    "in_json",
    "keys_of",
    "made_keys",
]
