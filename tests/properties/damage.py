"""Ways in which files go wrong: near-valid JSON, and bytes that were cut, flipped or overwritten."""

from typing import Any

from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([2**63, -(10**400), 1e308, -1e308, 5e-324, float("nan"), float("inf"), 0.5])
    | st.text(max_size=6)
    | st.sampled_from(
        ["\x1b[31mred", "\ud800", "\u202e", "a\nb", "../../x", "$\\frac{", "{}{0}", "<b>", "|", "_^%"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@st.composite
def changed(draw: st.DrawFn, content: Any) -> Any:
    """The same JSON with one to three values, at any depth, replaced, removed, doubled or renamed."""
    for _ in range(draw(st.integers(1, 3))):
        content = _change(draw, content)
    return content


def _change(draw: st.DrawFn, content: Any) -> Any:
    deeper = isinstance(content, (dict, list)) and bool(content) and draw(st.integers(0, 4)) > 0
    if not deeper:
        return draw(VALUES)
    if isinstance(content, list):
        place = draw(st.integers(0, len(content) - 1))
        kind = draw(st.sampled_from(["into", "into", "drop", "double"]))
        head, item, tail = content[:place], content[place], content[place + 1 :]
        middle = {"drop": [], "double": [item, item]}.get(kind)
        return head + ([_change(draw, item)] if middle is None else middle) + tail
    key = draw(st.sampled_from(sorted(content)))
    kind = draw(st.sampled_from(["into", "into", "into", "drop", "rename"]))
    rest = {name: value for name, value in content.items() if name != key}
    if kind == "into":
        return content | {key: _change(draw, content[key])}
    return rest if kind == "drop" else rest | {draw(st.text(max_size=5)): content[key]}


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes cut off, with some flipped, or with some put in between."""
    kind = draw(st.sampled_from(["cut", "flip", "insert", "empty"]))
    place = draw(st.integers(0, max(0, len(content) - 1)))
    if kind == "cut":
        return content[:place]
    if kind == "insert":
        return content[:place] + draw(st.binary(min_size=1, max_size=8)) + content[place:]
    if kind == "empty":
        return b""
    changed = bytearray(content)
    for where in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20)):
        changed[where] = draw(st.integers(0, 255))
    return bytes(changed)
