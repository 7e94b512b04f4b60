import re
from pathlib import Path

from archwright.proxy import PROXIES
from archwright.proxy.combining import COMBININGS

PAGE = (Path(__file__).parents[2] / "docs" / "proxies.md").read_text()


def test_every_proxy_has_a_row_and_a_paragraph():
    assert set(re.findall(r"^\| `(\w+)` \|.*\|.*\|.*\|.*\|.*\|$", PAGE, re.M)) == set(
        PROXIES.names()
    )
    headings = set(re.findall(r"\w+", " ".join(re.findall(r"^\*\*([\w, ]+)\*\*", PAGE, re.M))))
    assert headings == set(PROXIES.names()) - {"params", "flops"}


def test_every_combining_has_a_row():
    assert set(COMBININGS) <= set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M))


def test_rows_say_what_each_proxy_needs():
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|[^|]*\|[^|]*\|[^|]*\|$", PAGE, re.M)
    for name, told in rows:
        needs = set(told.replace(" ", "").split(",")) - {""}
        assert needs == PROXIES.get(name).needs & {"data", "labels", "gradient"}, name
