"""The page in a real browser: Debian's Chromium, or another named by CHROMIUM."""

import base64
import io
import json
import os
import re
import shutil
import time
import zipfile
from urllib.parse import urlsplit

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import WAIT, serving, wait_until
from PIL import Image

from colorize import color, upsampling
from colorize.cli import cli
from colorize.page import preview

BROWSER = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
try:
    from playwright.sync_api import expect, sync_playwright
except ModuleNotFoundError:
    LACK = "pip install playwright"
else:
    expect.set_options(timeout=1000 * WAIT)
    LACK = "" if BROWSER else "apt-get install chromium, or name one: CHROMIUM=/path"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        bool(LACK), reason=f"the page in a browser is not tried: {LACK}"
    ),
]
ALONE = (  # as root, and asking nobody anything
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
).split()
FLAGS = ("--precision", "float32", "--size", "128")
RGB = re.compile("^rgb[(]")  # of a dot that has a colour
TURNED = "300 × 400 pixels"  # is `a.jpg` then
CROPPED = re.compile("^13[4-8] × 1[78]. pixels")  # is it then, to the lower right


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with serving(folder, *FLAGS, "--max-upload-mb", "1") as (url, process):
        yield url, folder, process


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=ALONE, timeout=1000 * WAIT
        )
        yield browser
        browser.close()


@pytest.fixture
def page(running, chromium):
    """The page, which has asked nobody else, and had no error, when the test ends."""
    context = chromium.new_context(accept_downloads=True)
    context.set_default_timeout(1000 * WAIT)
    page = context.new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda said: wrong.append(said.text) if "Content Security" in said.text else 0,
    )
    page.goto(running[0])
    yield page
    context.close()
    assert not [url for url in asked if not url.startswith((running[0], "blob:"))]
    assert not wrong


@pytest.fixture
def photos(tmp_path, draw):
    """Two photos, and a broken one between them whose name is a trap."""
    folder = tmp_path / "photos"
    folder.mkdir()
    grey = Image.fromarray(draw(300, 400, 1)).convert("L")
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    grey.save(folder / "a.jpg", exif=exif)
    (folder / "<img src=x onerror=alert(1)>.jpg").write_bytes(b"\xff\xd8\xff broken")
    grey = Image.fromarray(draw(200, 120, 2)).convert("L")
    grey.save(folder / "c.tif", compression="tiff_lzw")
    return folder


def status(page):
    return page.get_by_role("status")


def pixels(page, canvas):
    """What a canvas shows (H, W, 3)."""
    data = page.evaluate(
        """(id) => {
            const canvas = document.getElementById(id);
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return { width, height, data: btoa(Array.from(
                data, (byte) => String.fromCharCode(byte)).join("")) };
        }""",
        canvas,
    )
    flat = np.frombuffer(base64.b64decode(data["data"]), np.uint8)
    return flat.reshape(data["height"], data["width"], 4)[..., :3]


def timeless(copy):
    """A copy without the time that it was made at."""
    return re.sub(rb'stEvt:when="[^"]*"', b"", copy)


def predicted(photos, out, *flags):
    result = CliRunner().invoke(cli, ["predict", str(photos), str(out), *FLAGS, *flags])
    assert result.exit_code == 1, result.output
    return {path.name: timeless(path.read_bytes()) for path in out.iterdir()}


def set_range(page, label, value):
    page.get_by_label(label, exact=True).fill(str(value))


def unzipped(download):
    with zipfile.ZipFile(download.path()) as archive:
        assert archive.testzip() is None
        return {name: timeless(archive.read(name)) for name in archive.namelist()}


def test_three_photos_from_dropping_to_downloading(page, photos, tmp_path):
    page.locator("#files").set_input_files(sorted(photos.iterdir()))
    expect(status(page)).to_contain_text("2 of 3 ready, 1 failed")
    expect(page.locator("#progress")).to_have_js_property("value", 3)
    items = page.get_by_role("listitem").filter(has=page.locator(".title"))
    expect(items).to_have_count(3)
    broken = items.filter(has_text="<img src=x onerror=alert(1)>.jpg")
    expect(broken).to_contain_text("failed: damaged or incomplete")

    # Before and after lie on each other; the slider says how much of each is shown.
    items.filter(has_text="a.jpg").get_by_role("button").first.click()
    expect(page.locator("#facts")).to_have_text("400 × 300 pixels")
    expect(page.locator("#stage")).not_to_have_class(re.compile("empty"))
    before, after = pixels(page, "before"), pixels(page, "after")
    assert np.array_equal(
        before, np.asarray(Image.open(photos / "a.jpg").convert("RGB"))
    )
    assert np.abs(after.astype(int) - before).max() > 3
    split = page.get_by_label("Compare before and after")
    split.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(split).to_have_attribute("aria-valuetext", "1 % as it was, 99 % in colour")
    clip = page.locator("#coloured").evaluate("e => getComputedStyle(e).clipPath")
    assert clip == "inset(0px 0px 0px 1%)"

    # The saturation is painted here, at once: the server is told of it, no more.
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    set_range(page, "Saturation", 0)
    deadline = time.monotonic() + WAIT
    while not np.array_equal(pixels(page, "after"), before):
        assert time.monotonic() < deadline, "it is not grey"
        page.wait_for_timeout(50)
    set_range(page, "Saturation", 1.5)
    page.wait_for_timeout(1000)
    assert not [url for url in asked if "preview" in url]
    strong = pixels(page, "after")

    with page.expect_download() as got:
        page.get_by_role("button", name="Download", exact=True).click()
    copies = predicted(photos, tmp_path / "strong", "--saturation", "1.5")
    with open(got.value.path(), "rb") as file:
        written = file.read()
    assert got.value.suggested_filename == "a.colorized.jpg"
    assert timeless(written) == copies["a.jpg"]
    # What was shown is what was written, but for the JPEG.
    shown = np.asarray(Image.open(io.BytesIO(written))).astype(int)
    assert np.abs(shown - strong).mean() < 1.5

    # To look more or less closely asks the network again.
    set_range(page, "How closely it looks", 160)
    with page.expect_response(re.compile("preview")):
        pass
    page.get_by_label("with a report").check()
    with page.expect_download() as got:
        page.get_by_role("button", name="Download all").click()
    files = unzipped(got.value)
    report = files.pop("report.jsonl").decode()
    small = predicted(photos, tmp_path / "s", "--saturation", "1.5", "--size", "160")
    usual = predicted(photos, tmp_path / "usual")
    assert files == {
        "a.colorized.jpg": small["a.jpg"],
        "c.colorized.tif": usual["c.tif"],
    }
    result = [json.loads(line) for line in report.splitlines()]
    assert [line["outcome"] for line in result] == ["failed", "coloured", "coloured"]
    assert {line["size"] for line in result[1:]} == {160, 128}

    page.get_by_role("button", name="Use these settings for all photos").click()
    expect(status(page)).to_contain_text("2 of 3 ready")
    items.filter(has_text="c.tif").get_by_role("button").first.click()
    expect(page.locator("#detail-value")).to_have_text("160")

    items.filter(has_text="a.jpg").get_by_label("Remove a.jpg").click()
    expect(items).to_have_count(2)


def test_a_photo_in_colour_is_left_as_it_is_unless_asked(page, photos, draw):
    Image.fromarray(draw(200, 300, 5)).save(photos / "holiday.jpg")
    page.locator("#files").set_input_files([photos / "a.jpg", photos / "holiday.jpg"])
    expect(status(page)).to_contain_text("1 of 2 ready, 1 in colour already")
    item = page.get_by_role("listitem").filter(has_text="holiday.jpg")
    expect(item).to_contain_text("in colour already: left as it is")
    other = page.get_by_role("listitem").filter(has_text="a.jpg")
    assert item.bounding_box()["x"] == other.bounding_box()["x"]
    item.get_by_role("button").first.click()
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_hidden()
    with page.expect_download() as got:
        page.get_by_role("button", name="Download all").click()
    assert list(unzipped(got.value)) == ["a.colorized.jpg"]

    page.get_by_role("button", name="Colour it anyway").click()
    expect(status(page)).to_contain_text("2 of 2 ready")
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_enabled()
    expect(page.get_by_role("button", name="Colour it anyway")).to_be_hidden()


def test_the_browser_paints_what_this_package_paints(page, draw):
    levels = draw(40, 50, 1)[..., 0]
    ab = np.random.default_rng(0).normal(0, 40, (7, 9, 2)).astype(np.float32)
    packed = base64.b64encode(preview.pack(levels[..., None], ab)).decode()
    ((_, large),) = upsampling.strips(ab, levels.shape, rows=40)
    for saturation, warmth in ((0, 0), (0.4, -1), (1, 0), (1, 0.6), (2, 0), (0, 1)):
        result = page.evaluate(
            """async ([packed, saturation, warmth]) => {
                const { unpack, paint } = await import("/paint.js");
                const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
                return Array.from(paint(unpack(bytes.buffer), saturation, warmth));
            }""",
            [packed, saturation, warmth],
        )
        ours = np.array(result, int).reshape(40, 50, 4)
        theirs = color.paint(levels, color.tuned(large, saturation, warmth))
        assert (ours[..., 3] == 255).all()
        difference = np.abs(ours[..., :3] - theirs)
        # Where 0.1 % more or less of chroma fits, shadows are a level or two apart.
        assert difference.max() <= 2 and difference.mean() < 0.05


def test_files_and_a_folder_dropped_and_one_too_large(page, photos, tmp_path):
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(2_000_000))
    (photos / "inner").mkdir()
    with Image.open(photos / "c.tif") as image:
        image.convert("L").save(photos / "inner" / "d.jp2")
    (photos / "notes.txt").touch()
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        files = [str(photos / "a.jpg"), str(large), str(photos)]
        data = {"items": [], "files": files, "dragOperationsMask": 1}
        result = {"type": kind, "x": 200, "y": 200, "data": data}
        browser.send("Input.dispatchDragEvent", result)
    expect(status(page)).to_contain_text("4 of 6 ready, 2 failed")
    expect(page.locator("#photos")).to_contain_text("larger than the 1 MB allowed")
    expect(page.locator("#photos")).to_contain_text("d.jp2")
    expect(page.get_by_role("alert")).to_have_text(
        "Left out, being no pictures or films by their names: 1"
    )
    with page.expect_download() as got:
        page.get_by_role("button", name="Download all").click()
    names = sorted(os.path.splitext(name)[0] for name in unzipped(got.value))
    assert names == [
        "a.colorized",
        "photos/a.colorized",
        "photos/c.colorized",
        "photos/inner/d.jp2.colorized",
    ]


def test_photos_dropped_before_the_session_is_there_wait_for_it(page, photos):
    page.add_init_script("""
        const fetched = window.fetch;
        const released = new Promise((done) => { window.release = done; });
        window.fetch = async (address, options) => {
            if (address === "/api/sessions") await released;
            return fetched(address, options);
        };
    """)
    page.reload()
    page.locator("#files").set_input_files([photos / "a.jpg"])
    page.wait_for_timeout(300)
    page.evaluate("release()")
    expect(status(page)).to_contain_text("1 of 1 ready")
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_keyboard_is_enough(page, photos):
    page.locator("#files").set_input_files([photos / "a.jpg"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    page.evaluate("document.activeElement.blur()")
    reached = []
    while "detail" not in reached:
        assert len(reached) < 30
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        assert page.evaluate(
            """() => {
                const own = getComputedStyle(document.activeElement);
                const next = document.activeElement.nextElementSibling;
                const stage = getComputedStyle(document.getElementById("stage"));
                return [own, next && getComputedStyle(next), stage].some(
                    (style) => style && style.outlineStyle === "solid");
            }"""
        ), f"no focus is seen on {reached[-1]}"
    wanted = ["files", "folder", "all", "split", "download", "saturation", "detail"]
    assert [id for id in reached if id in wanted] == wanted


def test_the_list_is_one_stop_with_arrows_within(page, photos):
    page.locator("#files").set_input_files([photos / "a.jpg", photos / "c.tif"])
    expect(status(page)).to_contain_text("2 of 2 ready")
    stops = "e => [...e.querySelectorAll('button')].filter(b => b.tabIndex >= 0).length"
    assert page.locator("#photos").evaluate(stops) == 1
    page.get_by_role("button", name="a.jpg ready").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#name")).to_have_text("c.tif")
    expect(page.get_by_role("button", name="c.tif ready")).to_be_focused()
    page.keyboard.press("ArrowDown")  # there is no other
    page.keyboard.press("Home")
    expect(page.locator("#name")).to_have_text("a.jpg")
    page.keyboard.press("Delete")
    expect(page.locator("#photos li")).to_have_count(1)
    expect(page.get_by_role("button", name="c.tif ready")).to_be_focused()


def test_a_colour_is_told_by_keys_alone(page, photos):
    page.locator("#files").set_input_files([photos / "a.jpg"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    page.get_by_role("button", name="Add a colour").press("Enter")
    dot = page.get_by_role("button", name=re.compile("^No colour yet, 50 %"))
    expect(dot).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    place = "49 % from the left, 55 % from the top"
    expect(page.get_by_role("button", name=f"No colour yet, {place}")).to_be_focused()
    page.get_by_role("button", name="Likely colour 1").press("Enter")
    dot = page.get_by_role("button", name=re.compile(f"^Colour 1, #.*{place}"))
    dot.press("Delete")
    expect(dot).to_have_count(0)


def test_a_photo_that_waits_is_shown_grey_and_says_how_long(page, photos):
    waiting = {"state": "queued", "version": 0, "position": 3, "seconds": 95.0}

    def slow(route):
        answer = route.fetch()
        state = answer.json()
        for photo in state["photos"]:
            photo.update(waiting)
        route.fulfill(response=answer, json=state)

    page.route(re.compile("/api/sessions/[^/?]+$"), slow)
    page.route(
        re.compile("/photos[?]"),
        lambda route: (
            lambda answer: route.fulfill(
                response=answer, json={**answer.json(), **waiting}
            )
        )(route.fetch()),
    )
    colour = Image.effect_noise((300, 200), 90).convert("RGB").rotate(90, expand=True)
    colour.putpixel((0, 0), (255, 0, 0))
    file = io.BytesIO()
    colour.save(file, "PNG")
    page.evaluate(
        """(data) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const pasted = new DataTransfer();
            pasted.items.add(new File([bytes], "image.png", { type: "image/png" }));
            document.body.dispatchEvent(
                new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true }));
        }""",
        base64.b64encode(file.getvalue()).decode(),
    )
    said = "waiting, number 3 in the queue, about 2 minutes"
    expect(page.locator("#waiting")).to_have_text(said)
    expect(page.locator("#stage")).to_have_class("grey")
    grey = pixels(page, "after")
    assert grey.shape == (300, 200, 3) and np.ptp(grey, axis=-1).max() <= 1
    expect(page.locator(".thumbnail canvas")).to_be_visible()
    page.unroute_all()
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_enabled()
    expect(page.locator("#stage")).not_to_have_class("grey")


def test_a_copy_is_shared_where_the_browser_can(page, photos):
    page.add_init_script("""
        navigator.canShare = () => true;
        navigator.share = async ({ files: [file] }) => {
            document.title = `${file.name} ${file.type} ${file.size > 1000}`;
        };
    """)
    page.reload()
    page.locator("#files").set_input_files([photos / "a.jpg"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    page.get_by_role("button", name="Share").click()
    expect(page).to_have_title("a.colorized.jpg image/jpeg true")
    expect(page.get_by_role("button", name="Share")).to_be_enabled()


def test_a_colour_is_told_by_a_click_and_taken_back(page, photos, tmp_path):
    page.locator("#files").set_input_files([photos / "a.jpg"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    expect(page.locator("#stage")).not_to_have_class("empty")
    plain = pixels(page, "after")

    def becomes(other):
        """Wait until the photo is shown as it was, or otherwise than it was."""
        deadline = time.monotonic() + WAIT
        while np.array_equal(pixels(page, "after"), plain) == other:
            assert time.monotonic() < deadline, "the photo stays as it was"
            page.wait_for_timeout(200)

    box = page.locator("#after").bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    swatches = page.get_by_role("button", name="Likely colour")
    expect(swatches.nth(1)).to_be_visible()
    assert np.array_equal(pixels(page, "after"), plain)  # nothing is told yet
    swatches.nth(1).click()
    becomes(other=True)
    dot = page.locator(".dot")
    expect(dot).to_have_count(1)
    expect(dot).to_have_accessible_name(re.compile("75 % from the left, 50 % from"))
    hinted = pixels(page, "after")
    with page.expect_download() as file:
        page.get_by_text("Save as hints").click()
    (tmp_path / "hints").mkdir()
    assert file.value.suggested_filename == "a.hints.json"
    file.value.save_as(tmp_path / "hints" / "a.hints.json")
    with page.expect_download() as copy:
        page.get_by_role("button", name="Download", exact=True).click()
    command = ["predict", photos / "a.jpg", tmp_path / "told", *FLAGS]
    command += ["--hints", tmp_path / "hints"]
    assert CliRunner().invoke(cli, list(map(str, command))).exit_code == 0
    hinted_copy = (tmp_path / "told" / "a.jpg").read_bytes()
    assert timeless(copy.value.path().read_bytes()) == timeless(hinted_copy)

    page.keyboard.press("Control+z")
    becomes(other=False)
    expect(dot).to_have_count(0)
    page.get_by_role("button", name="Redo").click()
    becomes(other=True)
    assert np.array_equal(pixels(page, "after"), hinted)
    dot.focus()
    page.keyboard.press("Delete")
    becomes(other=False)
    page.get_by_role("button", name="Colouring 3 of 4").click()
    becomes(other=True)
    page.get_by_role("button", name="Reset").click()
    becomes(other=False)


def test_a_photo_is_seen_pixel_by_pixel_and_told_there(page, tmp_path, draw):
    """Zoomed by the wheel, keys and buttons, panned by dragging and by arrows."""
    grey = Image.fromarray(draw(1600, 2400, 5)).convert("L")
    grey.save(tmp_path / "large.png")
    page.locator("#files").set_input_files([tmp_path / "large.png"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    expect(page.locator("#before-part")).to_be_hidden()
    whole = page.locator("#stage").bounding_box()
    with page.expect_response(re.compile("/part")):
        page.get_by_role("button", name="100 %").click()
    expect(page.locator("#zoom-value")).to_have_text("100 %")
    expect(page.locator("#after-part")).to_be_visible()
    assert page.locator("#stage").bounding_box() == whole
    with page.expect_download() as got:
        page.get_by_role("button", name="Download", exact=True).click()
    copy = np.asarray(Image.open(got.value.path())).astype(int)

    def part():
        """Where the sharp part lies in the photo, and what it shows."""
        left, top = (
            float(
                page.evaluate(f"document.getElementById('after-part').style.{side}")[
                    :-1
                ]
            )
            for side in ("left", "top")
        )
        shown = pixels(page, "after-part").astype(int)
        column, row = round(left / 100 * 2400), round(top / 100 * 1600)
        return row, column, shown

    row, column, shown = part()
    height, width, _ = shown.shape
    assert abs(row + height / 2 - 800) < 3 and abs(column + width / 2 - 1200) < 3
    same = copy[row : row + height, column : column + width]
    assert np.abs(shown - same).max() <= 1  # the last bit of a float
    # Dragging moves it, and the divider stays where it is.
    x, y = whole["x"] + whole["width"] * 0.75, whole["y"] + whole["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y + 50, steps=4)
    with page.expect_response(re.compile("/part")):
        page.mouse.up()
    expect(page.locator("#split")).to_have_value("50")
    deadline = time.monotonic() + WAIT
    while part()[:2] != (row - 50, column - 100):
        assert time.monotonic() < deadline, part()[:2]
        page.wait_for_timeout(50)
    # A click tells the colour of the place that is under it.
    page.mouse.click(x, y)
    page.get_by_role("button", name="Likely colour 1").click()
    dot = page.get_by_role("button", name=re.compile("^Colour 1, "))
    box = dot.bounding_box()
    y += page.locator("#stage").bounding_box()["y"] - whole["y"]  # it may have scrolled
    assert abs(box["x"] + box["width"] / 2 - x) < 1.5
    assert abs(box["y"] + box["height"] / 2 - y) < 1.5 and box["width"] < 40
    page.evaluate("document.activeElement.blur()")
    before = page.evaluate("document.getElementById('view').style.transform")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.getElementById('view').style.transform") != before
    page.keyboard.press("0")
    expect(page.get_by_role("button", name="Fit")).to_be_disabled()
    expect(page.locator("#after-part")).to_be_hidden()
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    expect(page.get_by_role("button", name="Fit")).to_be_enabled()


def test_colours_are_taken_of_another_photo_beside(page, photos, tmp_path):
    Image.new("RGB", (60, 40), (200, 60, 30)).save(tmp_path / "red.png")
    page.locator("#files").set_input_files([photos / "a.jpg"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    page.locator("#reference").set_input_files([photos / "a.jpg"])
    expect(page.get_by_role("alert")).to_contain_text("a.jpg: not in colour")
    page.locator("#reference").set_input_files([tmp_path / "red.png"])
    other = page.get_by_role("img", name=re.compile("^The other photo"))
    expect(other).to_be_visible()
    page.locator("#stage").click(position={"x": 300, "y": 80})
    other.click()
    dot = page.get_by_role("button", name=re.compile("^Colour 1, #"))
    colour = re.search("#(..)(..)(..)", dot.get_attribute("aria-label"))
    red, green, blue = (int(part, 16) for part in colour.groups())
    assert red > green > blue
    page.reload()
    expect(other).to_be_visible()
    page.get_by_role("button", name="Without it").click()
    expect(other).to_be_hidden()


def test_a_photo_is_turned_and_cropped(page, photos):
    page.locator("#files").set_input_files([photos / "a.jpg"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    page.get_by_role("button", name="Turn right").click()
    expect(page.locator("#facts")).to_have_text("300 × 400 pixels")
    page.get_by_role("button", name="Crop or cut up").click()
    frame = page.get_by_role("group", name=re.compile("^Frame 1 of 1"))
    expect(frame).to_be_focused()
    page.keyboard.press("Escape")
    expect(frame).to_have_count(0)
    page.get_by_role("button", name="Crop or cut up").click()
    crop_to_lower_right(page)
    page.get_by_role("button", name="Not cropped").click()
    expect(page.locator("#facts")).to_have_text("300 × 400 pixels")
    expect(page.get_by_role("button", name="Not cropped")).to_be_hidden()


def test_the_page_of_an_album_is_cut_up(page, tmp_path, draw):
    album = np.full((700, 500), 60, np.uint8)
    for top, left, seed in ((40, 30, 1), (40, 280, 2), (380, 100, 3)):
        album[top : top + 260, left : left + 190] = 240
        photo = draw(248, 178, seed)[..., 0]
        album[top + 6 : top + 254, left + 6 : left + 184] = photo
    Image.fromarray(album).save(tmp_path / "album.png")
    page.locator("#files").set_input_files([tmp_path / "album.png"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    page.get_by_role("button", name="Crop or cut up").click()
    expect(page.locator(".frame")).to_have_count(3)
    page.keyboard.press("Delete")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Add a frame").click()
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Make 2 photos of it").click()
    expect(status(page)).to_contain_text("3 of 3 ready")
    expect(page.locator("#name")).to_have_text("album 1.png")
    titles = page.locator(".title").all_text_contents()
    assert titles == ["album.png", "album 1.png", "album 2.png"]
    page.get_by_role("button", name="album 1.png ready").click()
    expect(page.locator("#facts")).to_have_text(re.compile("^19[0-9] × 26. pixels"))


def test_picture_and_what_changes_it_are_in_sight_together(page, photos):
    page.locator("#files").set_input_files([photos / "a.jpg", photos / "c.tif"])
    expect(status(page)).to_contain_text("2 of 2 ready")
    for width, height in ((1280, 720), (1920, 1080), (375, 812)):
        page.set_viewport_size({"width": width, "height": height})
        page.get_by_role("button", name="c.tif ready").click()
        page.evaluate("scrollTo(0, 0)")
        page.get_by_role("button", name="a.jpg ready").click()
        for id in ("stage", "download", "saturation"):
            expect(page.locator(f"#{id}")).to_be_in_viewport(ratio=0.99)
        stage, controls = (
            page.locator(f"#{id}").bounding_box() for id in ("stage", "controls")
        )
        beside = controls["x"] >= stage["x"] + stage["width"]
        assert beside == (width > 1000)


def test_it_is_readable_on_a_phone(page, photos):
    page.set_viewport_size({"width": 360, "height": 740})
    page.locator("#files").set_input_files(sorted(photos.iterdir()))
    expect(status(page)).to_contain_text("2 of 3 ready")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrasts = contrasts_of(page)
        assert len(contrasts) > 15
        assert not [pair for pair in contrasts if pair[1] < 4.5]


def contrasts_of(page):
    """Each text that is seen, and how light and ground of it differ."""
    return page.evaluate(
        """() => {
            const light = (text) => {
                const [r, g, b] = text.match(/[\\d.]+/g).map((v) => v / 255).map(
                    (v) => v > 0.04045 ? ((v + 0.055) / 1.055) ** 2.4 : v / 12.92);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ground = (element) => {
                const own = getComputedStyle(element).backgroundColor;
                return own === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : own;
            };
            return [...document.querySelectorAll("body *")].filter(
                (e) => e.checkVisibility() && !e.closest(":disabled, #stage, noscript")
                    && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()),
            ).map((e) => {
                const pair = [light(getComputedStyle(e).color), light(ground(e))];
                return [e.tagName + "." + e.className,
                    (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
            });
        }"""
    )


@pytest.mark.slow
def test_closing_a_page_deletes_its_files_where_nothing_stays(
    tmp_path, photos, chromium
):
    folder = tmp_path / "temporary"
    folder.mkdir()
    with serving(folder, *FLAGS, "--no-keep") as (url, _):
        page, other = chromium.new_page(), chromium.new_page()
        for one in (page, other):
            one.goto(url)
            expect(one.get_by_text("deleted when this page is closed")).to_be_visible()
            one.locator("#files").set_input_files([photos / "a.jpg"])
            expect(status(one)).to_contain_text("1 of 1 ready")
        (root,) = folder.glob("colorize-page-*")
        before = set(root.iterdir())
        other.close(run_before_unload=False)
        deadline = time.monotonic() + WAIT
        while len(set(root.iterdir())) != len(before) - 1:
            assert time.monotonic() < deadline, "its files are there still"
            page.wait_for_timeout(50)  # which lets the browser go on
        with page.expect_download() as got:
            page.get_by_role("button", name="Download", exact=True).click()
        assert got.value.path().stat().st_size
        # A page that is unloaded asks first, unless everything was downloaded.
        page.goto(url)
        page.close()


def test_photos_are_there_after_a_reload_and_in_a_second_tab(page, photos, chromium):
    page.locator("#files").set_input_files([photos / "a.jpg", photos / "c.tif"])
    expect(status(page)).to_contain_text("2 of 2 ready")
    page.get_by_role("button", name="c.tif ready").click()
    with page.expect_response(re.compile("/settings$")):
        set_range(page, "Saturation", 1.5)
    before = pixels(page, "after")
    page.reload()
    expect(status(page)).to_contain_text("2 of 2 ready")
    expect(page.get_by_text("until you remove them")).to_be_visible()
    page.get_by_role("button", name="c.tif ready").click()
    expect(page.get_by_label("Saturation", exact=True)).to_have_value("1.5")
    expect(page.locator("#stage")).not_to_have_class(re.compile("empty"))
    assert np.array_equal(pixels(page, "after"), before)
    # A tab of the same browser has the same; another browser has not.
    tab = page.context.new_page()
    tab.goto(page.url)
    expect(status(tab)).to_contain_text("2 of 2 ready")
    stranger = chromium.new_page()
    stranger.goto(page.url)
    expect(stranger.get_by_text("until you remove them")).to_be_visible()
    expect(stranger.locator("#photos li")).to_have_count(0)
    stranger.close()
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name="Remove all").click()
    expect(page.locator("#photos li")).to_have_count(0)
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.slow
def test_a_command_that_has_gone_is_told_and_started_again_goes_on(
    tmp_path, photos, chromium
):
    folder = tmp_path / "temporary"
    folder.mkdir()
    context = chromium.new_context()
    context.set_default_timeout(1000 * WAIT)
    page = context.new_page()
    with serving(folder, *FLAGS) as (url, process):
        page.goto(url)
        page.locator("#files").set_input_files([photos / "a.jpg"])
        expect(status(page)).to_contain_text("1 of 1 ready")
        process.terminate()
        process.wait(WAIT)
        expect(page.get_by_role("alert")).to_contain_text("cannot reach colorize")
        for part in ("#drop", "#work"):
            expect(page.locator(part)).to_have_js_property("inert", True)
    port = urlsplit(url).port
    with serving(folder, *FLAGS, "--port", str(port)):
        expect(page.get_by_role("alert")).to_be_empty()
        expect(page.locator("#work")).to_have_js_property("inert", False)
        expect(status(page)).to_contain_text("1 of 1 ready")
        with page.expect_download() as got:
            page.get_by_role("button", name="Download", exact=True).click()
        assert got.value.suggested_filename == "a.colorized.jpg"
    context.close()


def test_a_film_is_played_beside_what_it_was_and_downloaded(page, draw_film, tmp_path):
    film = draw_film("film.mkv", frames=25, size=(192, 256), sound=True)
    page.locator("#files").set_input_files(film)
    expect(status(page)).to_have_text("1 of 1 ready.")
    expect(page.locator("#cinema")).to_be_visible()
    expect(page.locator("#picture, #tell, #closely")).to_have_count(3)
    for name in ("#picture", "#tell", "#closely"):
        expect(page.locator(name)).to_be_hidden()
    player = page.locator("#film")
    expect(page.locator("#clock")).to_have_text("0:00 of 0:01")
    expect(page.locator("#sound")).to_be_visible()
    assert player.evaluate("film => [film.videoWidth, film.videoHeight]") == [256, 192]
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator("#clock")).to_have_text("0:01 of 0:01")
    set_range(page, "Before and after", "80")
    box = page.locator("#film-before").bounding_box()
    assert abs(box["width"] / player.bounding_box()["width"] - 0.8) < 0.02
    with page.expect_download() as got:
        page.get_by_role("button", name="Download", exact=True).click()
    assert got.value.suggested_filename == "film.colorized.mkv"
    again = page.get_by_role("button", name="Colour the film again")
    expect(again).to_be_hidden()
    set_range(page, "Saturation", "0.5")
    with page.expect_response(re.compile("/settings$")):
        again.click()
    expect(again).to_be_hidden()
    expect(status(page)).to_have_text("1 of 1 ready.")
    expect(page.get_by_label("Saturation")).to_have_value("0.5")


def tell(page, x, y):
    """Tell the likeliest colour of a place, in shares of the photo's sides."""
    box = page.locator("#after").bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.get_by_role("button", name="Likely colour").first.click()
    expect(page.locator(".dot.chosen")).to_have_css("background-color", RGB)


def dots_lie(page, *places):
    """Wait until there are dots at these places alone, in percent."""
    dot = page.locator(".dot")
    expect(dot).to_have_count(len(places))
    for number, (left, top) in enumerate(places):
        name = re.compile(f"{left} % from the left, {top} % from the top")
        expect(dot.nth(number)).to_have_accessible_name(name)


def crop_to_lower_right(page):
    """Drag the upper left corner of the frame to the middle, and crop."""
    frame = page.get_by_role("group", name=re.compile("^Frame 1 of 1"))
    box = page.locator("#view").bounding_box()
    handle = frame.locator(".left-top").bounding_box()
    page.mouse.move(
        handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    )
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    page.get_by_role("button", name="Crop to the frame").click()
    expect(page.locator("#facts")).to_have_text(CROPPED)
    expect(frame).to_have_count(0)


@pytest.fixture
def cropped_page(page, photos):
    """A photo with a hint, turned, cropped to a part without it, and told another."""
    page.locator("#files").set_input_files([photos / "a.jpg"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    expect(page.locator("#stage")).not_to_have_class("empty")
    tell(page, 0.25, 0.5)
    page.get_by_role("button", name="Turn right").click()
    expect(page.locator("#facts")).to_have_text(TURNED)
    dots_lie(page, (50, 25))
    page.get_by_role("button", name="Crop or cut up").click()
    crop_to_lower_right(page)
    dots_lie(page)
    tell(page, 0.5, 0.5)
    dots_lie(page, (50, 50))
    return page


def test_undo_takes_back_turns_and_crops_with_the_hints_told_in_them(cropped_page):
    page, facts = cropped_page, cropped_page.locator("#facts")
    undo = page.get_by_role("button", name="Undo")
    redo = page.get_by_role("button", name="Redo")
    undo.click()
    dots_lie(page)
    expect(facts).to_have_text(CROPPED)
    undo.click()
    expect(facts).to_have_text(TURNED)
    dots_lie(page, (50, 25))
    page.keyboard.press("Control+z")
    expect(facts).to_have_text("400 × 300 pixels")
    dots_lie(page, (25, 50))
    undo.click()
    dots_lie(page)
    expect(undo).to_be_disabled()
    for _ in range(4):
        redo.click()
    expect(facts).to_have_text(CROPPED)
    dots_lie(page, (50, 50))
    expect(redo).to_be_disabled()
    assert page.locator("#notice").text_content() == ""


def test_undo_takes_back_turns_that_were_pressed_fast(cropped_page):
    page, facts = cropped_page, cropped_page.locator("#facts")
    for _ in range(2):  # the second before the first is answered
        page.get_by_role("button", name="Turn right").click()
    page.get_by_role("button", name="Not cropped").click()
    dots_lie(page, (50, 75), ("2[5-9]", "2[5-9]"))
    expect(facts).to_have_text(TURNED)
    for _ in range(3):
        page.get_by_role("button", name="Undo").click()
    expect(facts).to_have_text(CROPPED)
    dots_lie(page, (50, 50))
    assert page.locator("#notice").text_content() == ""


def test_a_colour_told_before_a_turn_is_answered_stays_on_its_thing(page, photos):
    page.locator("#files").set_input_files([photos / "a.jpg"])
    expect(status(page)).to_contain_text("1 of 1 ready")
    expect(page.locator("#stage")).not_to_have_class("empty")
    turns = []
    page.route("**/frame", lambda route: turns.append((route, route.fetch())))
    page.get_by_role("button", name="Turn right").click()
    wait_until(lambda: turns or page.wait_for_timeout(50))  # while events come in
    with page.expect_response("**/hints"):
        tell(page, 0.25, 0.5)
    ((route, response),) = turns
    route.fulfill(response=response)
    expect(page.locator("#facts")).to_have_text(TURNED)
    dots_lie(page, (50, 25))
