"""Drawings as SVG."""

from xml.etree import ElementTree

from firebit.web.drawing import Drawing

EVIL = '</title><script>alert("x")</script>'


def test_what_is_drawn() -> None:
    drawn = Drawing(100, 50.25, "a title", "a description", "one")
    drawn.line((0, 1.26), (10, 2), "grid").path([(0, 0), (5, 5), (9, 1)], "line", "hint").text((3, 4), "words", "tick")
    drawn.add("circle", "dot", cx=1, cy=2, r=3, stroke_width=2)
    root = ElementTree.fromstring(str(drawn.svg()))
    title, description, line, path, text, circle = root
    assert root.attrib == {"viewBox": "0 0 100 50.2", "role": "img", "aria-labelledby": "one-title one-desc"}
    assert (title.text, title.attrib) == ("a title", {"id": "one-title"})
    assert (description.text, description.attrib) == ("a description", {"id": "one-desc"})
    assert line.attrib == {"class": "grid", "x1": "0", "y1": "1.3", "x2": "10", "y2": "2"}
    assert path.attrib == {"class": "line", "d": "M0 0 L5 5 L9 1"}
    assert path[0].text == "hint"
    assert (text.text, text.attrib["text-anchor"]) == ("words", "start")
    assert circle.attrib == {"class": "dot", "cx": "1", "cy": "2", "r": "3", "stroke-width": "2"}


def test_texts_stay_text() -> None:
    drawn = Drawing(10, 10, EVIL, EVIL, "one").text((0, 0), EVIL).path([(0, 0)], "line", EVIL)
    svg = str(drawn.svg())
    assert "<script" not in svg
    assert [element.text for element in ElementTree.fromstring(svg).iter() if element.text] == [EVIL] * 4
