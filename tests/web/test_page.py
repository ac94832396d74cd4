"""Templates, and what a page may do."""

import base64
import hashlib

from jinja2 import UndefinedError
from pytest import raises

from firebit.web.chart import Sheet
from firebit.web.page import asset, policy, render, script, style


def test_text_in_a_template_is_escaped() -> None:
    text = render("serve.html", name='<script>alert("x")</script>', version="<b>")
    assert "<script>alert" not in text and "<b>" not in text
    assert "<title>&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; – Firebit</title>" in text


def test_what_is_missing_is_an_error() -> None:
    with raises(UndefinedError):
        render("serve.html", name="a")


def test_only_this_style_and_this_script_count() -> None:
    looks, code = style("base.css", "report.css"), script("report.js")
    found = policy(looks, code)
    for kind, text in (("style-src", looks), ("script-src", code)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in found
    assert found.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in found


def test_nothing_of_ours_is_fetched_or_marked_up_from_text() -> None:
    for name in ("ask.js", "parts.js", "units.js", "serve.js", "report.js"):
        code = asset(name)
        assert not any(word in code for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("))
        assert code.count("http://") == code.count('"http://www.w3.org/2000/svg"') and "https://" not in code
    for name in ("base.css", "report.css", "serve.css"):
        assert "url(" not in asset(name) and "@import" not in asset(name)


def test_widths_of_bars() -> None:
    assert ".w0{width:0%}" in style("base.css") and ".w100{width:100%}" in style("base.css")


def test_sheets_have_headings_for_rows_and_columns() -> None:
    from firebit.web.page import _environment

    template = _environment().from_string('{% from "parts.html" import sheet %}{{ sheet(found, "<words>") }}')
    text = template.render(found=Sheet(("a", "b"), (("<x>", "1"),)))
    assert '<th scope="row">&lt;x&gt;</th>' in text and '<td class="n">1</td>' in text
    assert '<th scope="col" class="n">b</th>' in text and 'aria-label="&lt;words&gt;"' in text
