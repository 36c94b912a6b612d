"""A person uses the recommender's page in a headless browser: the whole journey on a desktop and a phone, in light and dark,
by keyboard alone, and by a shared link. Screenshots go to target/page-screenshots; axe-core looks at every state.
"""

import os
import re

import pytest
from browser import without
from film_page import EXPLAIN_PATIENCE_MS, PLOT, SCHEMES, SIZES, app, drawn_poster, open_page  # noqa: F401 - fixtures
from hippocamp_server import ROOT

PAGE = ROOT / "app" / "page"
MOST_BYTES = 150_000

pytestmark = [
    without,
    pytest.mark.skipif("HIPPOCAMP_WITHOUT_MINILM" in os.environ, reason="the encoder of recommend_by_plot could not be fetched"),
]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_the_whole_journey(open_page, size, scheme):  # noqa: F811
    page = open_page("/", size, scheme)
    page.raw.locator(".shelf-film").first.wait_for()
    assert page.raw.locator(".example").count() == 3
    page.look("1-empty")

    _, answer = page.tell(PLOT)
    assert page.ids() == [film["id"] for film in answer["films"]] and len(page.ids()) == 10
    assert "the-godfather-1972" in page.ids()[:3]
    assert "plot=an+ageing+mafia" in page.raw.url
    assert page.raw.locator(".because").count() == 10 and page.raw.locator(".bar").count() == 10
    page.look("2-plot")

    page.button(f"Why {answer['films'][0]['title']}?").click()
    page.raw.locator(".words-shaded").wait_for()
    assert page.raw.locator(".words-shaded").inner_text().strip() == PLOT
    assert page.raw.locator(".words-shaded .word").count() > 5
    assert "Most of it from" in page.raw.locator(".reason").first.inner_text()
    page.look("3-why")

    page.films.nth(1).locator(".title").click()
    dialog = page.raw.get_by_role("dialog", name=answer["films"][1]["title"])
    assert answer["films"][1]["synopsis"] in dialog.inner_text()
    assert answer["films"][1]["cast"][0] in dialog.inner_text()
    page.look("4-details")
    page.raw.keyboard.press("Escape")
    dialog.wait_for(state="hidden")

    page.tune()
    question, answer = page.asked(lambda: page.raw.locator(".pill", has_text="Comedy").click())
    assert question["filter"] == {"genres": ["Comedy"]}
    assert all("Comedy" in film["genres"] for film in answer["films"])
    page.look("5-filtered")
    page.asked(lambda: page.button("Clear the filters").click())

    page.raw.get_by_label("Compare both, side by side").check()
    page.columns(2)
    columns = [[film.get_attribute("data-film") for film in column.locator(".film").all()] for column in page.raw.locator(".column").all()]
    common = set(columns[0]) & set(columns[1])
    assert len(columns) == 2 and common and len(common) < 10, "the techniques agree on some films, and not on all"
    assert page.raw.locator(".shared").count() == 2 * len(common)
    page.look("6-compared")
    page.raw.get_by_label("Compare both, side by side").uncheck()
    page.columns(1)

    title = page.films.first.locator(".title").inner_text()
    question, _ = page.asked(lambda: page.button(f"More like {title}").first.click())
    assert len(question["films"]["liked"]) == 1
    question, answer = page.asked(lambda: page.choose("Films you love", "jurasic", "Jurassic Park"))
    assert "jurassic-park-1993" in question["films"]["liked"]
    question, answer = page.asked(lambda: page.choose("Films you do not", "top gun", "Top Gun"))
    assert len(question["films"]["disliked"]) == 1
    assert not set(question["films"]["liked"]) & {film["id"] for film in answer["films"]}
    page.look("7-films")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_a_poster(open_page, size, scheme):  # noqa: F811
    page = open_page("/", size, scheme, faults=True)
    page.tab("A poster").click()
    page.look("8-no-poster")
    page.show_poster(drawn_poster())
    page.raw.locator(".reading").first.click()
    page.raw.locator(".poster-picture canvas").wait_for(timeout=EXPLAIN_PATIENCE_MS)
    assert re.search(r"is seen most in the .*, then in the .*, and least in the", page.raw.locator(".readings .hint").inner_text())
    page.look("10-poster")


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_poster_is_dropped_or_pasted(open_page, event):  # noqa: F811
    page = open_page("/", faults=True)
    page.tell(PLOT)
    poster = drawn_poster()
    page.raw.evaluate(
        """([event, type, bytes]) => {
            const carried = new DataTransfer();
            carried.items.add(new File([new Uint8Array(bytes)], 'dropped.jpg', {type}));
            const made = event === 'paste' ? new ClipboardEvent(event, {clipboardData: carried, bubbles: true, cancelable: true})
                : new DragEvent(event, {dataTransfer: carried, bubbles: true, cancelable: true});
            document.body.dispatchEvent(made);
        }""",
        [event, poster["mimeType"], list(poster["buffer"])],
    )
    page.raw.locator(".poster-picture img").wait_for()
    assert page.tab("A poster").get_attribute("aria-selected") == "true"
    page.raw.wait_for_load_state("networkidle")
    assert page.raw.locator(".poster-picture img").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [400, 600]
    page.settled()
    page.button("Take it away").click()
    page.raw.locator(".example").first.wait_for()
    assert page.raw.locator(".poster-picture").count() == 0


def test_by_keyboard_alone(open_page):  # noqa: F811
    page = open_page("/")
    page.raw.locator(".shelf-film").first.wait_for()
    press = page.raw.keyboard.press

    def focused():
        return page.raw.evaluate(
            """() => { const at = document.activeElement; const style = getComputedStyle(at);
            return {id: at.id, text: at.textContent.trim(), label: at.getAttribute('aria-label'),
                    seen: style.outlineStyle !== 'none' || !at.matches(':focus-visible') || getComputedStyle(at.parentElement).outlineStyle !== 'none'
                        || getComputedStyle(at.nextElementSibling ?? at).outlineStyle !== 'none'}; }"""
        )

    def walk(until, most=80):
        """Presses Tab until there; the focus is seen at every stop."""
        for _ in range(most):
            press("Tab")
            at = focused()
            assert at["seen"], at
            if until(at):
                return at
        raise AssertionError("never reached")

    assert walk(lambda at: at["text"] == "Skip to the question")
    press("Enter")
    assert focused()["id"] == "question"
    walk(lambda at: at["id"] == "tab-plot")
    walk(lambda at: at["id"] == "plot")
    page.raw.keyboard.type(PLOT)
    _, answer = page.asked(lambda: press("Enter"))
    first = answer["films"][0]["title"]
    walk(lambda at: at["text"] == first)
    press("Enter")
    dialog = page.raw.get_by_role("dialog", name=first)
    dialog.wait_for()
    press("Escape")
    dialog.wait_for(state="hidden")
    assert focused()["text"] == first, "the focus comes back"
    walk(lambda at: at["label"] == f"Like: {first}")
    press("Space")
    assert page.button(f"Like: {first}").get_attribute("aria-pressed") == "true"
    walk(lambda at: at["label"] == f"Why {first}?")
    press("Enter")
    page.raw.locator(".words-shaded").wait_for()

    page.tab("Its plot").focus()
    press("ArrowRight")
    assert focused()["id"] == "tab-films"
    walk(lambda at: at["id"].startswith("combobox"))
    page.type_title("casab", "Casablanca")
    page.asked(lambda: press("Enter"))
    assert page.raw.locator(".chips.liked").inner_text().startswith("Casablanca (1942)")
    walk(lambda at: at["label"] == "Remove Casablanca (1942)")
    press("Enter")
    assert page.raw.locator(".chips.liked li").count() == 0
    assert focused()["id"].startswith("combobox"), "the focus goes to the field when its chip is gone"
    page.type_title("casab", "Casablanca")
    press("Escape")
    assert page.raw.get_by_role("listbox").count() == 0
    press("Escape")
    assert page.raw.get_by_role("combobox", name="Films you love", exact=True).input_value() == ""


def test_a_link_brings_everything_back(open_page):  # noqa: F811
    page = open_page("/", permissions=["clipboard-read", "clipboard-write"])
    page.tell(PLOT)
    page.asked(lambda: page.raw.locator(".pill", has_text="Crime").click())
    page.asked(lambda: page.raw.get_by_label("First shown, from year").fill("1970"))
    page.asked(lambda: page.raw.get_by_label("Minutes, to minutes").fill("200"))
    page.asked(lambda: page.choose("Language", "engl", "English"))
    page.asked(lambda: page.choose("Country", "united st", "United States"))
    page.asked(lambda: page.raw.get_by_label("Genres", exact=True).fill("1.5"))
    page.asked(lambda: page.raw.get_by_label("Variety").fill("0.3"))
    question, _ = page.asked(lambda: page.raw.get_by_label("Bag of words").check())
    ids = page.ids()
    assert ids and question["technique"] == "bow" and question["diversity"] == 0.3 and question["weights"]["genres"] == 1.5
    assert question["filter"] == {"genres": ["Crime"], "languages": ["en"], "countries": ["US"], "years": [1970, None], "runtime": [None, 200]}
    page.button("Copy link").click()
    page.raw.locator("#toast", has_text="Link copied.").wait_for()
    link = page.raw.evaluate("navigator.clipboard.readText()")
    assert link == page.raw.url

    other = open_page(link.removeprefix(page.origin))
    other.settled()
    assert other.ids() == ids
    assert other.raw.get_by_label("A plot, half remembered").input_value() == PLOT
    assert other.raw.get_by_label("Bag of words").is_checked() and other.raw.get_by_label("Crime").is_checked()
    assert other.raw.get_by_label("First shown, from year").input_value() == "1970"
    assert other.raw.get_by_label("Genres", exact=True).input_value() == "1.5"
    other.button("Remove English").wait_for()
    other.button("Remove United States").wait_for()
    question, _ = other.asked(lambda: other.button("Back to the learned mix").click())
    assert "weights" not in question

    films = open_page("/?by=films&liked=alien-1979,casablanca-1942&disliked=jaws-1975")
    films.settled()
    films.button("Remove Alien (1979)").wait_for()
    films.button("Remove Jaws (1975)").wait_for()
    ids = films.ids()
    films.asked(lambda: films.button("Remove Jaws (1975)").click())
    films.asked(films.raw.go_back)
    films.button("Remove Jaws (1975)").wait_for()
    assert films.ids() == ids


def test_more_films_and_less(open_page):  # noqa: F811
    page = open_page("/")
    page.tell(PLOT)
    question, answer = page.asked(lambda: page.button("More films").click())
    assert question["k"] == 20 and page.films.count() == 20
    assert page.raw.evaluate("document.activeElement.textContent") == answer["films"][10]["title"], "the first of the new ones"
    title = answer["films"][0]["title"]
    page.button(f"Hide: {title}").click()
    assert page.films.count() == 19
    page.button("Undo").click()
    assert page.films.count() == 20


def test_only_the_last_question_counts(open_page):  # noqa: F811
    page = open_page("/")
    late = []
    page.raw.route("**/predict", lambda route: late.append(route) if "slow" in route.request.post_data else route.continue_())
    page.raw.get_by_label("A plot, half remembered").fill("a slow question")
    page.raw.keyboard.press("Enter")
    page.raw.locator(".waiting").first.wait_for()
    page.look("11-waiting")
    _, answer = page.tell(PLOT)
    assert late, "the first question was asked"
    for route in late:
        route.abort()
    assert page.ids() == [film["id"] for film in answer["films"]]
    # What was ended is none of the person's business.
    page.watch.complaints.clear()
    assert page.raw.locator(".notice").count() == 0


def test_words_are_words(open_page):  # noqa: F811
    """Markup in a plot is shown as it was typed."""
    plot = "<img src=x onerror=alert(1)> a <b>shark</b> & a mayor \N{SHARK}"
    page = open_page("/")
    _, answer = page.tell(plot)
    page.button(f"Why {answer['films'][0]['title']}?").click()
    page.raw.locator(".words-shaded").wait_for()
    assert page.raw.locator(".words-shaded").text_content().strip() == plot
    assert page.raw.locator("#columns img, #columns b:not(.key b)").count() == 0


@pytest.mark.parametrize("width", [360, 600, 768, 1024, 1600])
def test_every_width(open_page, width):  # noqa: F811
    page = open_page("/", (width, 800))
    page.tell(PLOT)
    assert page.overflow() <= 0
    page.tune()
    page.raw.get_by_label("Compare both, side by side").check()
    page.columns(2)
    assert page.overflow() <= 0


def test_nothing_moves_for_those_who_ask(open_page):  # noqa: F811
    moving = "[...document.querySelectorAll('*')].filter((at) => getComputedStyle(at).animationName !== 'none').length"
    for motion, moves in (("reduce", False), ("no-preference", True)):
        page = open_page("/", reduced_motion=motion)
        page.raw.route("**/predict", lambda route: None)
        page.raw.get_by_label("A plot, half remembered").fill(PLOT)
        page.raw.keyboard.press("Enter")
        page.raw.locator(".waiting").first.wait_for()
        assert (page.raw.evaluate(moving) > 0) == moves


def test_themes(open_page):  # noqa: F811
    page = open_page("/", scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.raw.evaluate(ground)
    button = page.button("Theme:", exact=False)
    button.click()
    assert button.get_attribute("aria-label") == "Theme: light" and page.raw.evaluate(ground) != dark
    light = page.raw.evaluate(ground)
    page.raw.reload()
    assert page.raw.evaluate(ground) == light
    button.click()
    assert button.get_attribute("aria-label") == "Theme: dark" and page.raw.evaluate(ground) == dark


def test_covers_can_be_read(open_page):  # noqa: F811
    """Of every film: axe-core cannot look behind their drawings. Words keep 7:1, their field, and the same cover each time."""
    page = open_page("/")
    wrong = page.raw.evaluate(
        """async () => {
            const {cover} = await import('/assets/cover.js');
            const light = (hex) => { const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
                .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
            const wrong = [];
            let films = [];
            for (let offset = 0, total = 1; offset < total; offset += 100) {
                const answer = await (await fetch(`/films?offset=${offset}&limit=100`)).json();
                total = answer.total;
                films = films.concat(answer.films);
            }
            const shelf = document.querySelector('#columns');
            for (const film of films) {
                const drawn = cover(film);
                const [dark, pale] = [drawn.querySelector('rect').getAttribute('fill'), drawn.style.getPropertyValue('--ink')].map(light).sort((one, other) => one - other);
                if ((pale + 0.05) / (dark + 0.05) < 7) wrong.push(`${film.id}: faint`);
                if (drawn.outerHTML !== cover(film).outerHTML) wrong.push(`${film.id}: another each time`);
                if (/NaN|undefined/.test(drawn.outerHTML)) wrong.push(`${film.id}: not a number`);
                drawn.style.width = '200px';
                shelf.append(drawn);
                const [title, line] = ['.cover-title', '.cover-line'].map((part) => drawn.querySelector(part).getBoundingClientRect());
                if (title.bottom > line.top + 12 || line.bottom > drawn.getBoundingClientRect().bottom) wrong.push(`${film.id}: too long`);
                drawn.remove();
            }
            return {wrong, films: films.length};
        }"""
    )
    assert wrong == {"wrong": [], "films": 1100}


def test_the_page_is_small_and_keeps_to_itself(open_page):  # noqa: F811
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    page = open_page("/")
    policy = page.raw.request.get(page.origin).headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    text = "".join(path.read_text() for path in files)
    # The one address is the name of SVG's namespace, which nobody asks for.
    assert set(re.findall(r"https?://[^\s\"'`]+", text)) == {"http://www.w3.org/2000/svg"}
