"""Parts of the search: each has a switch."""

from dataclasses import fields

from backend.vision.evidence import NEUTRAL, Cues
from backend.vision.parts import PARTS


def test_every_cue_that_the_decoder_does_not_give_is_a_part() -> None:
    """Place, and the decoder's own two figures, are left without all of them; sharpness is for reviews."""
    own = {"location", "iou", "stability", "sharpness"}

    assert {field.name for field in fields(Cues)} - own == {*NEUTRAL, "company"}
    assert {*NEUTRAL, "company"} < set(PARTS)
