"""What the local app says, as it goes over the wire."""

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(_Answer):
    """Why a request was refused: what is wrong, and what to do about it."""

    problem: str
    remedy: str


class LayerFacts(_Answer):
    """A hidden layer: its name, the shape of its units, and how many they are."""

    name: str
    shape: list[int]
    units: int


class NetworkFacts(_Answer):
    """The network that is served.

    Attributes:
        name: of its file or run.
        fingerprint: of the network.
        input: shape (C, H, W) of what it sees.
        layers: hidden layers that can be looked into, the last one last.
        classes: their names; empty for an encoder.
        data: name of the labelled pictures that units are judged by; None where there are none.
        store: name of the store; None where there is none.
        stored: pictures in it.
        most_bytes: of a picture that is sent.
    """

    name: str
    fingerprint: str
    input: list[int]
    layers: list[LayerFacts]
    classes: list[str]
    data: str | None
    store: str | None
    stored: int
    most_bytes: int


class UnitFacts(_Answer):
    """What labelled pictures say of a unit: how often it fires in all, for which classes (nearly) always or never."""

    name: str
    rate: float
    positive: list[str]
    negative: list[str]
    flag: str


class LayerUnits(_Answer):
    """The units of a layer; with no labelled pictures, only their names."""

    layer: str
    share: float
    pictures: int
    units: list[UnitFacts]


class Guess(_Answer):
    """A class and its probability."""

    index: int
    name: str
    probability: float


class Seen(_Answer):
    """What the network makes of a picture.

    Attributes:
        picture: what it sees, a `data:` address.
        guesses: all classes, most probable first; empty for an encoder.
        layer: whose units follow.
        code: the packed bits of the layer, hexadecimal.
        margins: per unit, how far it is from changing its mind; it fires from 0 upwards.
        votes: per unit, by how much its bit moves the logit of the first guess against that of the second; empty where
            the layer does not feed the logits directly.
        flips: units whose bit differs from that of the whole picture.
    """

    picture: str
    guesses: list[Guess]
    layer: str
    code: str
    margins: list[int]
    votes: list[float]
    flips: list[int]


class SegmentEffect(_Answer):
    """What changes when one segment is removed: the units that flip, and what is then seen first."""

    pixels: int
    flips: list[int]
    guess: Guess | None
    change: float


class Segments(_Answer):
    """A picture in segments, and what each does.

    Attributes:
        width: of the picture that the network sees.
        height: likewise.
        outlines: per segment, an SVG path around it, in pixels.
        effects: per segment.
        fill: what stands where a segment was.
    """

    width: int
    height: int
    outlines: list[str]
    effects: list[SegmentEffect]
    fill: str


class Smallest(_Answer):
    """The smallest part of a picture that leaves a unit's bit as it is.

    Attributes:
        unit: index.
        fires: whether it fires for the picture.
        blank: whether a blank picture does as much; then nothing is kept.
        kept: segments that are left.
        removed: all others.
        share: of the pixels that are left, 0 … 1.
        fill: what stands where the rest was: the first filling that does not do by itself what the picture does.
        picture: what is left, a `data:` address.
    """

    unit: int
    fires: bool
    blank: bool
    kept: list[int]
    removed: list[int]
    share: float
    fill: str
    picture: str


class Neighbour(_Answer):
    """A stored picture near by.

    Attributes:
        id: in the store: of a picture its path, below the folder that was indexed.
        distance: bits that differ.
        differing: which ones.
        label: of its payload; "" where it has none.
        picture: a small copy, a `data:` address; None where the file cannot be read.
        payload: what the store knows of it, as text by name.
    """

    id: str
    distance: int
    differing: list[int]
    label: str
    picture: str | None
    payload: dict[str, str]


class Nearest(_Answer):
    """Stored pictures, nearest first, and the bits of a code."""

    bits: int
    found: list[Neighbour]
