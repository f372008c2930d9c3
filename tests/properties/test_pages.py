"""Pages as a reader sees them, in headless Chromium: those of the catalogue, and the documentation where it is built.

On a wide and on a narrow screen, in the light and in the dark scheme: every formula has a box, nothing scrolls
sideways, every text stands out from what is behind it, the console is silent, and no request leaves the machine.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cases import sampled
from catalogue import NAMES, derived

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

DOCS = Path(__file__).parents[2] / "docs" / "_build" / "html"
BUILT = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.html"))
WIDE, NARROW = 1280, 400
LARGEST = 150_000  # bytes of HTML, without pictures
LEAST_CONTRAST = 4.5  # WCAG 2.2, criterion 1.4.3, for text of any size
LOCAL = ("file:", "data:", "about:", "blob:")

# What is seen of the page: formulas without a box, by how much it is too wide, and, with all details open, texts that
# are too faint, with their contrast.
LOOK = """
([least, open]) => {
  for (const d of document.querySelectorAll('details')) d.open = open;
  const hidden = e => { const d = e.closest('details:not([open])'); return d && !e.closest('summary'); };
  const flat = [...document.querySelectorAll('math')].filter(m => !hidden(m)).filter(m => {
    const box = m.getBoundingClientRect();
    return box.width <= 0 || box.height <= 0;
  }).map(m => m.getAttribute('alttext') || m.textContent);

  const pen = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const colour = text => {  // [red, green, blue, alpha] of any colour that CSS can write
    if (!known.has(text)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = text;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(text, [r, g, b, a / 255]);
    }
    return known.get(text);
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const probe = document.createElement('div');
  probe.style.cssText = 'background: Canvas; position: absolute';
  document.body.append(probe);
  const canvas = colour(getComputedStyle(probe).backgroundColor);
  probe.remove();
  const looks = new Map();  // what is behind the text of an element, and how much of the text is seen through
  const look = e => {
    if (!looks.has(e)) {
      const above = e.parentElement ? look(e.parentElement) : {behind: canvas, opacity: 1};
      const style = getComputedStyle(e);
      const behind = over(colour(style.backgroundColor), above.behind);
      looks.set(e, {behind, opacity: above.opacity * style.opacity, text: colour(style.color)});
    }
    return looks.get(e);
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = new Map();
  let texts = 0;
  for (let node; open && (node = walk.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || ['SCRIPT', 'STYLE'].includes(e.tagName)) continue;
    if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true})) continue;
    texts += 1;
    const {behind, opacity, text: [r, g, b, a]} = look(e);
    const found = contrast(over([r, g, b, a * opacity], behind), behind);
    if (found < least) faint.set(`${e.tagName}.${e.className} ${found.toFixed(2)}`, node.data.trim().slice(0, 40));
  }
  const {scrollWidth, clientWidth} = document.scrollingElement;
  return {flat, texts, sideways: scrollWidth - clientWidth, faint: [...faint]};
}
"""


@pytest.fixture(scope="session")
def tab() -> Iterator[Any]:
    """One for all pages: another would start a process of its own, which takes longer than the page."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running.new_page()
        running.close()


def complaints(tab: Any, path: Path) -> list[str]:
    """What is wrong with a page."""
    found: list[str] = []

    def asked(route: Any) -> None:
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            found.append(f"asks for {route.request.url}")
            route.abort()

    def said(message: Any) -> None:
        if message.type in ("error", "warning"):
            found.append(f"console: {message.text}")

    def failed(error: Any) -> None:
        found.append(f"page error: {error}")

    listeners = {"console": said, "pageerror": failed}
    for event, listener in listeners.items():
        tab.on(event, listener)
    tab.route("**/*", asked)
    tab.goto(path.as_uri())
    for width in (WIDE, NARROW):
        tab.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            for opened in (False, True)[scheme == "dark" :]:  # with the details closed it looks at boxes alone
                where = f"{scheme}, {width} px{', details open' if opened else ''}"
                seen = tab.evaluate(LOOK, [LEAST_CONTRAST, opened])
                found += [f"{where}: no box: {formula}" for formula in seen["flat"]]
                found += [f"{where}: faint: {what}: {text}" for what, text in seen["faint"]]
                found += [f"{where}: scrolls sideways by {seen['sideways']} px"] if seen["sideways"] > 0 else []
                found += [f"{where}: no text"] if opened and not seen["texts"] else []
    tab.unroute("**/*", asked)
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)
    return found


def size(html: str) -> int:
    """The bytes of a page without the pictures in it."""
    return len(re.sub(r"data:image/[^\"')]*", "", html).encode())


@pytest.mark.parametrize("name", sampled(NAMES[::4], every=3))  # those of the documentation have them all
def test_a_page_of_the_catalogue(name: str, tab: Any, tmp_path: Path) -> None:
    html = derived(name).to_html()
    assert "<script" not in html and size(html) <= LARGEST
    path = tmp_path / f"{name}.html"
    path.write_text(html, encoding="utf-8")
    assert not complaints(tab, path)
    assert tab.locator("math").count() > 20


def test_no_line_is_cut_on_a_phone(tab: Any, tmp_path: Path) -> None:
    path = tmp_path / "phone.html"
    path.write_text(derived("layer_norm").to_html(), encoding="utf-8")
    tab.set_viewport_size({"width": NARROW, "height": 900})
    tab.goto(path.as_uri())
    boxes = "[...document.querySelectorAll('.lines tr, .lines td')]"
    assert tab.evaluate(f"{boxes}.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)") == []
    heights = tab.evaluate("[...document.querySelectorAll('td.r')].map(e => e.getClientRects().length)")
    assert max(heights) > 1  # a formula that went on


@pytest.mark.skipif(not BUILT, reason="the documentation is not built: sphinx-build docs docs/_build/html")
@pytest.mark.parametrize("page", BUILT or ["index.html"])
def test_a_page_of_the_documentation(page: str, tab: Any) -> None:
    assert size((DOCS / page).read_text(encoding="utf-8")) <= LARGEST
    assert not complaints(tab, DOCS / page)


def test_the_look_finds_what_is_wrong(tab: Any, tmp_path: Path) -> None:
    path = tmp_path / "wrong.html"
    path.write_text(
        "<!doctype html><title>t</title><main style='background: #eee'><p style='color: #999'>faint</p>"
        "<p style='opacity: 0.4'>also</p><div style='width: 900px'>wide</div><math><mi></mi></math>"
        "<img src='https://example.org/x.png'><script>console.error('no'); undefined_name()</script></main>",
        encoding="utf-8",
    )
    found = " | ".join(complaints(tab, path))
    for expected in (
        "light, 400 px: scrolls sideways by",
        "light, 1280 px, details open: faint: P",
        "also",
        "no box",
        "asks for https://example.org",
        "console: no",
        "page error",
    ):
        assert expected in found
