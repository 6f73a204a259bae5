"""A student for others: the card that says what it is, and the Hugging Face Hub."""

from crossdistill.sharing.card import CARD, Origin, card
from crossdistill.sharing.hub import fetched, is_repository, pushed

__all__ = ["CARD", "Origin", "card", "fetched", "is_repository", "pushed"]
