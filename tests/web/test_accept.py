"""What the caller would like to read."""

import pytest

from gateway.core.problems import Lang
from gateway.web.accept import Media, language, media


@pytest.mark.parametrize(
    ("header", "default", "form"),
    [
        ("", Media.XML, Media.XML),
        ("", Media.JSON, Media.JSON),
        ("*/*", Media.XML, Media.XML),
        ("application/json", Media.XML, Media.JSON),
        ("application/problem+json", Media.XML, Media.JSON),
        ("application/xml", Media.JSON, Media.XML),
        ("text/xml;q=0.3, application/json;q=0.2", Media.JSON, Media.XML),
        ("application/json;q=0.2, */*;q=0.1", Media.XML, Media.JSON),
        ("text/html, image/gif, *; q=.2, */*; q=.2", Media.XML, Media.XML),  # Java's HttpURLConnection
        ("application/json;q=0, */*", Media.JSON, Media.XML),
        ("application/*;q=0.5, text/xml", Media.JSON, Media.XML),
        ("image/png", Media.JSON, Media.JSON),  # neither: the default, no refusal
        ("application/json;q=nan, application/xml;q=0.1", Media.JSON, Media.XML),
        (";;;,,,q=1", Media.XML, Media.XML),
        ("application/json, text/plain, */*", Media.XML, Media.JSON),  # axios
        ("application/json, application/xml, application/problem+json", Media.XML, Media.JSON),  # generated clients
        ("application/xml, application/json", Media.JSON, Media.XML),
        ("text/html, application/xml;q=0.9, */*;q=0.8", Media.JSON, Media.XML),  # a browser
    ],
)
def test_the_form_follows_the_weights_of_accept(header, default, form):
    assert media(header, default) is form


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        ("", Lang.VI),
        ("en", Lang.EN),
        ("vi", Lang.VI),
        ("en-GB,en;q=0.9,vi;q=0.5", Lang.EN),
        ("vi-VN,vi;q=0.9,en;q=0.8", Lang.VI),
        ("fr, en;q=0.4", Lang.EN),
        ("en;q=x", Lang.VI),
    ],
)
def test_vietnamese_unless_english_is_preferred(header, lang):
    assert language(header) is lang
