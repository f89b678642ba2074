"""The page is handled in a real browser as a person would; numpy says what it must show."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from nmt.analysis.alignment import Alignment, HeadAlignments
from nmt.analysis.matrix_html import alignment_html, alignments_html
from nmt.analysis.pharaoh import GoldLinks
from nmt.decoding.translation import Translation
from nmt.errors import DataError

REPOSITORY = Path(__file__).parents[2]
GERMAN = ["Ein", "Hund", "läuft", "sehr", "schnell", "."]
ENGLISH = ["A", "dog", "runs", "really", "fast", "."]
JAPANESE = list("私は泳げない。")
ARABIC = ["هذا", "هو", "الكتاب", "الذي", "قرأته", "أمس", "."]
HOSTILE = [
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<!--<script>",
    "</title><h1>",
    '"><svg onload=window.hit=1>',
    "&lt;b&gt;",
    "$data${0}`",
    "\u202eabc\u2028d",
    "\\u003cb",
]


def alignment_of(source, target, heads=None, seed=0):
    """With heads (layers, N), the alignment's own matrix is the mean of the last layer."""
    rng = np.random.default_rng(seed)
    shape = (*(heads or (1, 1)), len(target))
    rows = rng.dirichlet(np.full(len(source) + 1, 0.5), size=shape).round(4)
    own = rows[-1].mean(axis=0)
    every = HeadAlignments(rows[..., :-1], rows[..., -1]) if heads else None
    return Alignment(source, target, own[:, :-1], own[:, -1], every)


@pytest.mark.parametrize("source", [GERMAN, JAPANESE, ARABIC], ids=["de", "ja", "ar"])
def test_hovering_shows_words_and_weight(page, source):
    alignment = alignment_of(source, ENGLISH)
    page.open(alignment.html())
    assert page.tip() is None
    for target, column in [(0, 0), (3, 2), (5, len(source) - 1)]:
        words, weight = (source[column], ENGLISH[target]), alignment.matrix[target, column]
        assert page.hover(target, column) == (*words, pytest.approx(weight, abs=5e-4))
        assert page.marked_words() == list(words)  # on top, at the left
    page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": 1, "y": 1})
    assert page.tip() is None and page.marked_words() == []


def test_source_words_are_on_top_target_words_at_the_left_and_nothing_overlaps(page):
    alignment = alignment_of([*GERMAN, "Donaudampfschifffahrtsgesellschaftskapitän"], ENGLISH)
    page.open(alignment.html())
    box = page.do("""
        const box = (one) => one.getBoundingClientRect().toJSON();
        return {top: [...document.querySelectorAll('thead th:not(.eos) span')].map(box),
                left: [...document.querySelectorAll('tbody th span')].map(box),
                cell: box(document.querySelector('tbody td')),
                controls: box(document.querySelector('#controls'))}""")
    assert all(label["bottom"] <= box["cell"]["top"] + 4 for label in box["top"])
    assert all(label["top"] >= box["controls"]["bottom"] for label in box["top"])
    assert all(label["right"] <= box["cell"]["left"] for label in box["left"])
    assert [label["left"] for label in box["top"]] == sorted(label["left"] for label in box["top"])


def test_single_characters_stand_upright(page):
    transform = "return getComputedStyle(document.querySelector('thead span')).transform"
    assert page.open(alignment_of(JAPANESE, ENGLISH).html()).do(transform) == "none"
    assert page.open(alignment_of(ENGLISH, JAPANESE).html()).do(transform) != "none"


def test_greys_are_the_weights_from_the_threshold_on(page):
    alignment = alignment_of(GERMAN, ENGLISH)
    weights = np.concatenate([alignment.matrix, alignment.eos[:, None]], axis=1)
    page.open(alignment.html())
    np.testing.assert_allclose(page.shown(), weights, atol=1e-4)
    page.slide("threshold", "HOME", *["ARROW_RIGHT"] * 7)
    assert page.part("threshold-value").text == "0.07"
    kept = np.where(weights.round(4) >= 0.07, weights, 0)
    assert 0 < np.count_nonzero(kept) < np.count_nonzero(weights)
    np.testing.assert_allclose(page.shown(), kept, atol=1e-4)


def test_hard_links_follow_the_rule_for_ties_and_eos(page):
    matrix = [[0.1, 0.7, 0.1], [0.4, 0.1, 0.4], [0.2, 0.2, 0.1], [0.3, 0.3, 0], [0, 0, 0]]
    alignment = Alignment(list("abc"), list("vwxyz"), matrix, [0.1, 0.1, 0.5, 0.3, 0])
    page.open(alignment.html())
    page.choose_mode("best")
    assert page.links() == set(alignment.links())
    page.slide("threshold", *["ARROW_RIGHT"] * 35)  # to 0.35
    assert page.links() == {(1, 0), (0, 1)}
    page.choose_mode("above")
    page.slide("threshold", "HOME")
    positive = np.argwhere(alignment.matrix > 0)
    assert page.links() == {(int(s), int(t)) for t, s in positive}
    page.slide("threshold", *["ARROW_RIGHT"] * 30)
    assert page.links() == {(1, 0), (0, 1), (2, 1), (0, 3), (1, 3)}
    page.choose_mode("best")  # each way of showing keeps its own threshold
    assert page.part("threshold-value").text == "0.35"


def test_the_sliders_show_every_layer_and_head_and_their_mean(page):
    alignment = alignment_of(GERMAN, ENGLISH, heads=(3, 2))
    matrices = alignment.heads.matrices
    page.open(alignment.html())

    def said():
        return page.part("layer-name").text, page.part("head-name").text

    assert said() == ("2", "mean")  # what the alignment itself is
    assert page.hover(1, 1)[2] == pytest.approx(alignment.matrix[1, 1], abs=5e-4)
    page.slide("head", "HOME")
    for layer in (2, 1, 0):
        for head in (0, 1):
            assert said() == (str(layer), str(head))
            assert page.hover(1, 1)[2] == pytest.approx(matrices[layer, head, 1, 1], abs=5e-4)
            np.testing.assert_allclose(page.shown()[:, :-1], matrices[layer, head], atol=1e-4)
            page.slide("head", "ARROW_RIGHT")
        assert said() == (str(layer), "mean")
        mean = (matrices[layer, 0] + matrices[layer, 1]) / 2
        np.testing.assert_allclose(page.shown()[:, :-1], mean, atol=1e-4)
        page.slide("head", "HOME")
        page.slide("layer", "ARROW_LEFT")


def test_sliders_are_there_for_what_can_be_chosen(page):
    def is_there():
        return [page.part(f"{name}-control").is_displayed() for name in ("layer", "head")]

    assert page.open(alignment_of(GERMAN, ENGLISH).html()) and is_there() == [False, False]
    for heads, wanted in (
        ((1, 1), [False, False]),
        ((1, 4), [False, True]),
        ((3, 1), [True, False]),
    ):
        page.open(alignment_of(GERMAN, ENGLISH, heads).html())
        assert is_there() == wanted
    # A matrix that is no head's is a stop of its own.
    other, heads = (
        alignment_of(GERMAN, ENGLISH, seed=1),
        alignment_of(GERMAN, ENGLISH, (1, 4)).heads,
    )
    page.open(Alignment(GERMAN, ENGLISH, other.matrix, other.eos, heads).html())
    assert page.part("layer-name").text == "own" and not page.part("head").is_enabled()
    np.testing.assert_allclose(page.shown()[:, :-1], other.matrix, atol=1e-4)
    page.slide("layer", "ARROW_RIGHT")
    np.testing.assert_allclose(page.shown()[:, :-1], heads.matrices[0, 0], atol=1e-4)


def test_eos_can_be_shown(page):
    alignment = alignment_of(GERMAN, ENGLISH)
    page.open(alignment.html())
    assert not page.cell(0, len(GERMAN)).is_displayed()
    page.part("eos").click()
    assert page.hover(2, len(GERMAN)) == ("EOS", "runs", pytest.approx(alignment.eos[2], abs=5e-4))
    page.choose_mode("above")
    page.slide("threshold", "HOME")
    assert not page.shown()[:, -1].any()  # EOS is no word: it has no links


def test_gold_links_are_drawn_over_the_cells(page):
    gold = GoldLinks(frozenset({(0, 0), (1, 1)}), frozenset({(3, 3), (4, 3)}))
    page.open(alignment_html(alignment_of(GERMAN, ENGLISH), gold=gold))
    script = """return [...document.querySelector('tbody').rows].map((row) => [...row.cells]
        .slice(1)
        .map((td) => getComputedStyle(td, '::after'))
        .map((drawn) => drawn.content === 'none' ? '' : drawn.borderTopStyle))"""
    wanted = np.full((len(ENGLISH), len(GERMAN) + 1), "", object)
    for source, target in gold.possible:
        wanted[target, source] = "solid" if (source, target) in gold.sure else "dashed"
    assert page.do(script) == wanted.tolist()
    page.hover(1, 1)
    assert "sure gold link" in page.part("tip-notes").text
    page.hover(3, 4)
    assert "possible gold link" in page.part("tip-notes").text
    page.part("gold").click()
    assert set(sum(page.do(script), [])) == {""}
    page.open(alignment_html(alignment_of(GERMAN, ENGLISH)))
    assert not page.part("gold-control").is_displayed()
    with pytest.raises(DataError, match="gold.*9-0.*6 source"):
        alignment_html(alignment_of(GERMAN, ENGLISH), gold=GoldLinks({(9, 0)}, set()))


def test_the_keyboard_and_a_finger_point_too(page):
    from selenium.webdriver.common.keys import Keys

    alignment = alignment_of(GERMAN, ENGLISH)
    page.open(alignment.html())
    page.do("document.querySelector('td.cell[tabindex=\"0\"]').focus()")
    for key, place in [(Keys.ARROW_RIGHT, (0, 1)), (Keys.ARROW_DOWN, (1, 1)), (Keys.UP, (0, 1))]:
        page.driver.switch_to.active_element.send_keys(key)
        assert page.tip()[2] == pytest.approx(alignment.matrix[place], abs=5e-4)
    page.driver.switch_to.active_element.send_keys(Keys.UP)  # there is nothing above
    label = page.driver.switch_to.active_element.get_attribute("aria-label")
    assert label.startswith("Hund A 0.") and page.tip()[:2] == ("Hund", "A")
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert page.tip() is None

    box = page.cell(4, 2).rect
    finger = [{"x": box["x"] + 9, "y": box["y"] + 9}]
    for kind, points in (("touchStart", finger), ("touchEnd", [])):
        event = {"type": kind, "touchPoints": points}
        page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    page.driver.execute_async_script("setTimeout(arguments[0], 50)")
    assert page.tip()[:2] == ("läuft", "fast")


def test_no_markup_of_a_word_is_executed(page):
    alignment = alignment_of(HOSTILE, HOSTILE[::-1])
    gold = [GoldLinks({(0, 0)}, set())] * 2
    content = alignments_html([alignment] * 2, HOSTILE[:2], gold=gold, title=HOSTILE[0])
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', content)[1]
    assert "<" not in data and json.loads(data)["title"] == HOSTILE[0]
    page.open(content)
    shown = page.do("return [...document.querySelectorAll('th')].map((one) => one.textContent)")
    assert shown == [*HOSTILE, "EOS", *HOSTILE[::-1]]
    assert page.part("page-title").text == page.driver.title == HOSTILE[0]
    for place in range(len(HOSTILE)):
        page.hover(place, place)
        assert page.part("tip-source").get_attribute("textContent") == HOSTILE[place]
    assert page.do("return window.hit") is None
    assert page.do("return document.querySelectorAll('main img, main svg, h1 + h1').length") == 0
    page.open(alignment_of(["\ud800", "\x00"], ["\x1b"]).html())  # no text, but no reason to fail
    first = (
        "return [...document.querySelectorAll('th')].map((one) => one.textContent.charCodeAt(0))"
    )
    assert page.do(first) == [0xD800, 0, ord("E"), 0x1B]


def test_the_page_cannot_load_or_run_anything(page):
    page.open(alignment_of(GERMAN, ENGLISH).html())
    refused = page.driver.execute_async_script("""
        const done = arguments[0], refused = [];
        addEventListener('securitypolicyviolation', (event) => {
            if (refused.push(event.effectiveDirective) === 4) done(refused.sort());
        });
        new Image().src = 'http://127.0.0.1:9/image';
        fetch('http://127.0.0.1:9/fetch').catch(() => {});
        document.head.append(Object.assign(document.createElement('script'), {text: 'hit = 1'}));
        const link = {rel: 'stylesheet', href: 'http://127.0.0.1:9/style'};
        document.head.append(Object.assign(document.createElement('link'), link));""")
    assert refused == ["connect-src", "img-src", "script-src-elem", "style-src-elem"]
    assert page.do("return window.hit") is None
    said = [entry["message"] for entry in page.driver.get_log("browser")]
    assert said and all("Content Security Policy" in message for message in said)
    failed = page.network_events("loadingFailed")  # and with this the log is read
    assert failed and {event["blockedReason"] for event in failed} == {"csp"}


def test_several_alignments_are_leafed_through_and_searched(page):
    alignments = [alignment_of(GERMAN, ENGLISH), alignment_of(ARABIC, ENGLISH, seed=1)]
    alignments += [alignment_of(["nur"], ["only"], seed=2), Alignment([], [], np.zeros((0, 0)), [])]
    page.open(alignments_html(alignments, title="A test set"))

    def words():
        return [one.text for one in page.driver.find_elements("css selector", "tbody th")]

    def listed():
        return [one.text for one in page.part("list").find_elements("tag name", "option")]

    assert listed()[:3] == [
        f"{n}. {' '.join(a.source_words)}" for n, a in enumerate(alignments[:3], 1)
    ]
    assert words() == ENGLISH and not page.part("previous").is_enabled()
    page.part("next").click()
    assert page.hover(2, 2) == (
        ARABIC[2],
        "runs",
        pytest.approx(alignments[1].matrix[2, 2], abs=5e-4),
    )
    page.part("next").click()
    assert words() == ["only"]
    page.part("next").click()
    assert page.part("empty").is_displayed() and not page.part("next").is_enabled()
    page.part("previous").click()
    assert words() == ["only"]
    page.part("search").send_keys("REALLY")  # a target word
    assert len(listed()) == 2 and page.part("found").text == "2 of 4" and words() == ENGLISH
    page.part("search").send_keys("x")
    assert listed() == [] and not page.part("next").is_enabled()
    assert words() == ENGLISH  # nothing was found, so nothing has changed


def test_alignments_titles_and_gold_are_one_for_each():
    with pytest.raises(DataError, match="one at least; got none"):
        alignments_html([])
    alignments = [alignment_of(GERMAN, ENGLISH)] * 2
    with pytest.raises(DataError, match="2 alignments wants as many titles; got 1"):
        alignments_html(alignments, ["a"])
    with pytest.raises(DataError, match="2 alignments wants as many gold; got 3"):
        alignments_html(alignments, gold=[GoldLinks(set(), set())] * 3)
    with pytest.raises(DataError, match="gold of alignment 2: .*0-99"):
        gold = [GoldLinks(set(), set()), GoldLinks(set(), {(0, 99)})]
        alignments_html(alignments, gold=gold)


def test_a_narrow_screen_scrolls_the_matrix_and_not_the_page(page):
    page.open(alignment_of(GERMAN * 5, ENGLISH, heads=(2, 2)).html(), width=360)
    wide = page.do("""const wide = (one) => one.scrollWidth - one.clientWidth;
        return [wide(document.documentElement), wide(document.getElementById('scroll'))]""")
    assert wide[0] == 0 and wide[1] > 100
    page.hover(3, 29)  # scrolls there
    tip, word = page.part("tip").rect, page.driver.find_element("css selector", "tbody th.on")
    assert tip["x"] >= 0 and tip["x"] + tip["width"] <= 360
    assert word.text == "really" and word.rect["x"] >= 0  # the target words stay in sight


@pytest.mark.parametrize("heads", [None, (3, 4)])
@pytest.mark.parametrize("source", [GERMAN, [*ARABIC, *GERMAN] * 2, JAPANESE])
def test_a_notebook_shows_the_page_in_a_frame_of_its_height(page, source, heads):
    alignment = alignment_of(source, ENGLISH, heads)
    translation = Translation("<b>", "</script>", 0.0, 0.0, [], alignment)
    page.open(f"<!DOCTYPE html><meta charset=utf-8><body>{translation._repr_html_()}<p>on")
    assert "</script>" in page.driver.find_element("tag name", "p").text
    page.enter_frame()
    weight = pytest.approx(alignment.matrix[3, 2], abs=5e-4)
    assert page.hover(3, 2) == (source[2], ENGLISH[3], weight)
    if heads:
        page.slide("head", "HOME")
        assert page.hover(3, 2)[2] == pytest.approx(alignment.heads.matrices[2, 0, 3, 2], abs=5e-4)
    too_low, to_spare = page.do("""const {scrollHeight, clientHeight} = document.documentElement;
        const end = document.getElementById('legend').getBoundingClientRect().bottom;
        return [scrollHeight - clientHeight, clientHeight - end]""")
    assert too_low == 0 and to_spare < 100
    assert page.do("return origin") == "null"  # what runs here cannot reach the notebook


def test_words_lean_in_a_frame_that_is_unfolded_later(page):
    fragment = alignment_of(GERMAN, ENGLISH)._repr_mimebundle_()["text/html"]
    page.open(f"<!DOCTYPE html><meta charset=utf-8><div hidden>{fragment}</div>")
    page.do("document.querySelector('div').hidden = false")
    page.enter_frame()
    transform = "return getComputedStyle(document.querySelector('thead span')).transform"
    assert page.do(transform) != "none"


def test_a_viewer_that_runs_no_script_or_cuts_the_frame_shows_the_picture(page):
    fragment = alignment_of(GERMAN, ENGLISH)._repr_mimebundle_()["text/html"]
    without_script = fragment.replace('sandbox="allow-scripts"', "sandbox")
    without_frame = re.sub("(?s)<iframe.*</iframe>", "", fragment)
    seen = []
    for shown in (fragment, without_script, without_frame):
        page.open(f"<!DOCTYPE html><meta charset=utf-8><body>{shown}")
        taken = page.driver.find_element("tag name", "img").screenshot_as_png
        seen.append(image.imread(io.BytesIO(taken)))
    assert without_script != fragment and without_frame != fragment
    np.testing.assert_array_equal(seen[1], seen[2])
    assert (seen[0] != seen[2]).any()  # the frame covers the picture


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    alignment = alignment_of(GERMAN, ENGLISH)
    path = tmp_path / "pages" / "matrix.html"
    alignment.save_html(path, title="日本語")
    assert path.read_text("utf-8") == alignment.html(title="日本語")
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # nothing half-written beside
    with pytest.raises(DataError, match=r"as \.html; got .*matrix\.png"):
        alignment.save_html(tmp_path / "matrix.png")
    (tmp_path / "taken.html").mkdir()
    with pytest.raises(DataError, match="cannot write the page .*taken.html"):
        alignment.save_html(tmp_path / "taken.html")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pages", "taken.html"]


@pytest.mark.slow
def test_the_installed_wheel_has_the_page(page, tmp_path):
    sources, wheels, installed = (tmp_path / name for name in ("sources", "wheels", "installed"))
    shutil.copytree(REPOSITORY / "nmt", sources / "nmt", ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, sources)

    def run(*command, folder=tmp_path, **variables):
        command = [sys.executable, *map(str, command)]
        environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    build = "from setuptools import build_meta; build_meta.build_wheel"
    run("-c", f"{build}({str(wheels)!r})", folder=sources)
    (wheel,) = wheels.iterdir()
    run("-m", "pip", "install", "--no-deps", "--no-index", "--target", installed, wheel)
    write = (
        "import nmt; from nmt.analysis.alignment import Alignment; print(nmt.__file__);"
        "Alignment(['ein'], ['one'], [[0.625]], [0.375]).save_html('installed.html')"
    )
    assert run("-c", write, PYTHONPATH=str(installed)).startswith(str(installed))
    page.open((tmp_path / "installed.html").read_text("utf-8"))
    assert page.hover(0, 0) == ("ein", "one", 0.625)
