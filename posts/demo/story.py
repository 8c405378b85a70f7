"""The demo's people and rooms, and what was said in them during one week of a photo club."""

from __future__ import annotations

from dataclasses import dataclass, field

PASSWORD = "picturegram"


@dataclass(frozen=True, slots=True)
class Person:
    username: str
    display_name: str
    is_superuser: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    slug: str
    title: str
    description: str
    members: tuple[str, ...]
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A post. `ago` is in hours; `reactions` names the people by emoji."""

    ago: float
    author: str
    text: str
    pictures: tuple[str, ...] = ()
    room: str = "lobby"
    key: str = ""
    reply_to: str = ""
    reactions: dict[str, str] = field(default_factory=dict)


PEOPLE = (
    Person("ada", "Ada Lindqvist"),
    Person("grace", "Grace Okafor"),
    Person("linus", "Linus Berg"),
    Person("admin", "The caretaker", is_superuser=True),
)

# Each is owned by its first member.
PLACES = (
    Place(
        "lobby",
        "Lobby",
        "Say hello, show what you saw today.",
        ("ada", "grace", "linus", "admin"),
    ),
    Place(
        "golden-hour",
        "Golden hour",
        "Landscapes, skies and bad weather. Getting up early is optional.",
        ("grace", "ada", "linus"),
    ),
    Place(
        "critique",
        "Critique corner",
        "One picture, one question. Be kind, be precise.",
        ("linus", "ada", "grace"),
    ),
    Place(
        "studio",
        "Studio",
        "Planning the winter show. Members of the hanging committee only.",
        ("ada", "grace"),
        is_private=True,
    ),
)

STORY = (
    Entry(
        166,
        "ada",
        "Hello everybody, and welcome to our own place! No feed that sorts us, no adverts. "
        "Post what you saw, say what you like about what others saw. "
        "Theme of the week: light that is about to go.",
        key="welcome",
        reactions={"👋": "grace linus admin", "🎉": "grace linus"},
    ),
    Entry(165.6, "grace", "Finally! I'll bring the sunrise, somebody else brings the coffee."),
    Entry(
        165.1,
        "linus",
        "Hi! I bought a camera three weeks ago and own more filters than pictures. Be gentle.",
        reactions={"😄": "ada grace", "👋": "ada admin"},
    ),
    Entry(
        163,
        "ada",
        "To start with: last night from the old pier. Ten minutes later it was grey.",
        ("sea",),
        key="pier",
        reactions={"❤️": "grace linus", "🔥": "linus admin"},
    ),
    Entry(162.5, "linus", "How do you not get the sun as a white hole?", reply_to="pier"),
    Entry(
        162.2,
        "ada",
        "Meter on the sky beside it and let the water go dark. The eye forgives dark water.",
        reply_to="pier",
        reactions={"🙏": "linus"},
    ),
    Entry(
        150,
        "grace",
        "This is where the early risers meet. First one: fog in the valley at ten past six.",
        ("mist",),
        room="golden-hour",
        key="fog",
        reactions={"😍": "ada linus"},
    ),
    Entry(
        149.5,
        "ada",
        "The pines on the left hold the whole thing together. How wide is that?",
        room="golden-hour",
        reply_to="fog",
    ),
    Entry(
        149.2,
        "grace",
        "Five upright frames, stitched. I counted to three between each.",
        room="golden-hour",
    ),
    Entry(
        143,
        "linus",
        "My homework: the second coffee, because the first one was needed to stand up.",
        ("coffee",),
        key="coffee",
        reactions={"☕": "ada grace admin", "😄": "grace"},
    ),
    Entry(142.4, "grace", "The leaf is better than mine will ever be. Window light?"),
    Entry(142.1, "linus", "Window left, a sheet of paper on the right. I read that somewhere."),
    Entry(
        139,
        "ada",
        "The committee is the two of us, then. I'd hang landscapes left, town on the right, "
        "and one joke by the door.",
        room="studio",
        key="plan",
    ),
    Entry(
        138.5,
        "grace",
        "Agreed. For the invitation I had something graphic in mind. Cut paper, four evenings:",
        ("contours",),
        room="studio",
        reactions={"❤️": "ada"},
    ),
    Entry(138.2, "ada", "That IS the invitation. Don't touch it any more.", room="studio"),
    Entry(
        121,
        "grace",
        "Two from the ridge. The first is what I went up for, the second is why I stayed: "
        "twenty minutes after everybody had packed up.",
        ("mountains", "rose"),
        room="golden-hour",
        key="ridge",
        reactions={"🏔️": "ada linus", "❤️": "ada"},
    ),
    Entry(
        120.3,
        "linus",
        "Lesson learned: do not pack up.",
        room="golden-hour",
        reply_to="ridge",
        reactions={"💯": "grace"},
    ),
    Entry(
        118,
        "linus",
        "One picture, one question: is the tree too far left?",
        ("snow",),
        room="critique",
        key="tree",
        reactions={"👀": "ada grace"},
    ),
    Entry(
        117.4,
        "ada",
        "No, the shadow needs the room. I'd take a little off the top instead, "
        "the sky says the same thing twice.",
        room="critique",
        reply_to="tree",
    ),
    Entry(117, "grace", "What Ada says. And keep the snowflakes, they are luck.", room="critique"),
    Entry(116.8, "linus", "Cropped. You're right, it got quieter.", room="critique"),
    Entry(
        98,
        "ada",
        "Town on a windless morning. The red boat moved into the frame as if I'd paid it.",
        ("harbour",),
        key="harbour",
        reactions={"⛵": "grace linus", "😍": "grace admin"},
    ),
    Entry(97.7, "grace", "Those windows in the water! Did you wait for the ripples?"),
    Entry(97.5, "ada", "I waited for the ferry to be gone, then for its waves to be bored."),
    Entry(
        92,
        "linus",
        "Rain since noon, so: the street from my desk, everything out of focus on purpose. "
        "(The first one was not on purpose.)",
        ("lamps",),
        reactions={"✨": "ada grace", "😄": "ada"},
    ),
    Entry(
        75,
        "grace",
        "Clear night, no moon, minus four. The battery gave up before I did.",
        ("stars", "aurora"),
        room="golden-hour",
        key="night",
        reactions={"🤯": "linus ada", "🌌": "ada linus"},
    ),
    Entry(74.5, "ada", "The second one looks painted. Settings, please!", room="golden-hour"),
    Entry(
        74.2,
        "grace",
        "Stars: 15 s, f/2, ISO 3200. Lights: 4 s, they move faster than one thinks.",
        room="golden-hour",
        reply_to="night",
        reactions={"🙏": "ada linus"},
    ),
    Entry(
        70,
        "ada",
        "Staircase in the old library. Question: does it pull you in, or make you dizzy?",
        ("stairs",),
        room="critique",
        reactions={"🌀": "grace linus"},
    ),
    Entry(69.3, "linus", "Both. I had to hold on to my desk.", room="critique"),
    Entry(
        66,
        "ada",
        "Candidates for the joke by the door. Vote with an emoji.",
        ("citrus", "shapes"),
        room="studio",
        reactions={"🍊": "grace ada"},
    ),
    Entry(65.5, "grace", "Citrus. People will smell it.", room="studio"),
    Entry(
        51,
        "grace",
        "Balloon festival! I was there for one balloon and got five.",
        ("balloons",),
        key="balloons",
        reactions={"🎈": "ada linus admin", "❤️": "ada linus"},
    ),
    Entry(50.5, "linus", "The red one belongs on a wall.", reply_to="balloons"),
    Entry(
        47,
        "linus",
        "Half a minute of cars. I stood on a bridge and felt like a professional "
        "until the lorry came.",
        ("traces",),
        reactions={"🚗": "ada", "👏": "grace ada"},
    ),
    Entry(
        45,
        "admin",
        "House-keeping: pictures up to 10 MB, four to a post. Where a photo was taken is removed "
        "from the file when you post it. Please write alt texts, two of us listen to their feed.",
        reactions={"👍": "ada grace linus"},
    ),
    Entry(
        30,
        "ada",
        "Holiday leftovers. Three kinds of nothing much.",
        ("dunes", "noon", "forest"),
        key="nothing",
        reactions={"😌": "grace linus"},
    ),
    Entry(29.4, "grace", "The third kind, please, in large.", reply_to="nothing"),
    Entry(
        27,
        "grace",
        "The lake, twice: with the moon just up, and when it had made up its mind.",
        ("moonrise", "lake"),
        room="golden-hour",
        reactions={"🌕": "ada linus", "❤️": "linus"},
    ),
    Entry(26, "ada", "The hanging is on Friday at six. Bring a hammer.", room="studio"),
    Entry(
        22,
        "grace",
        "Blue hour over the river. I had twelve good minutes.",
        ("skyline",),
        key="river",
        reactions={"🌃": "ada linus", "🔥": "linus"},
    ),
    Entry(21.6, "linus", "Is that the bridge by the station you stood on?", reply_to="river"),
    Entry(21.4, "grace", "One further down. There's a bench, and nobody on it.", reply_to="river"),
    Entry(
        6,
        "linus",
        "She has been sitting there since five. I think it's hers now, the window and the moon.",
        ("cat",),
        key="cat",
        reactions={"😻": "ada grace admin", "🌙": "ada"},
    ),
    Entry(5.5, "ada", "Best portrait of the week. No discussion.", reply_to="cat"),
    Entry(
        1.4,
        "grace",
        "And the last of the light, as ordered. Tomorrow: a new theme?",
        ("lighthouse",),
        reactions={"❤️": "ada linus", "🔥": "ada"},
    ),
    Entry(
        0.4,
        "ada",
        "New theme it is: reflections. Anything that shows something twice. I'll begin.",
        ("mirror",),
        reactions={"👍": "grace linus", "😍": "grace"},
    ),
)
