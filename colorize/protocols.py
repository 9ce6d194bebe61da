"""The registry of protocols: how pictures are made ready to be measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """What is done to a picture before its lightness is coloured and compared.

    Attributes:
        name: of the protocol.
        side: short side that the picture is scaled to, in pixels; of it the centre
            of side × side is measured.
    """

    name: str
    side: int

    def describe(self) -> str:
        """In words, for the file of figures."""
        return f"short side {self.side}, centre crop {self.side}x{self.side}, 8-bit RGB"


DEFAULT = "imagenet-256"  # that of the literature
PROTOCOLS = {p.name: p for p in (Protocol(DEFAULT, 256),)}
