"""Parts of the search that can be left out, to see what each is worth."""

from typing import Literal, get_args

Part = Literal[
    "background",  # the location map compares with the thing alone
    "meaning",  # the location map is SAM's alone
    "sharp",  # peaks are those of the likely map
    "masks",  # of a place's masks only the one with the best predicted IoU is a candidate
    "tiles",  # small things are searched for in the image as a whole
    "size",
    "likeness",
    "colour",
    "edge",
    "lead",  # labels compete all the same
    "layout",  # labels compete by meaning and colours alone
    "company",  # what is seen first decides
]
PARTS: tuple[Part, ...] = get_args(Part)
