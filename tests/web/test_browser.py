"""Both pages in a browser: nothing is fetched, nothing fails, everyone can use them."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from firebit.data import ImageSet
from firebit.engine.network import Network
from firebit.web import Lens, Options, make_app, report
from firebit.web.serve import address, listen

from .conftest import CLASSES, picture

selenium = pytest.importorskip("selenium")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="there is no chromium with its driver"),
]

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
SIZES = ((1280, 900), (390, 800))


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from the file that AXE names or from npm."""
    if "AXE" in os.environ:
        return Path(os.environ["AXE"]).read_text("utf-8")
    if (npm := shutil.which("npm")) is None:
        pytest.skip("there is no npm to bring axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core@4"]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Any]:
    """A browser with a profile of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options as Settings
    from selenium.webdriver.chrome.service import Service

    settings = Settings()
    settings.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        settings.add_argument(flag)
    settings.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(settings, Service(str(DRIVER)))
    found.set_script_timeout(120)
    yield found
    found.quit()


@pytest.fixture
def page(run_folder: Path, pictures: ImageSet) -> str:
    """A report, as an address on the disk."""
    return report(run_folder, pictures, options=Options(permutations=2, smallest=3)).as_uri()


@pytest.fixture
def app(network: Network, pictures: ImageSet) -> Iterator[str]:
    """The app at work, its address."""
    import uvicorn

    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(make_app(Lens(network, "corners", pictures)), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield address(listening)
    server.should_exit = True
    thread.join()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of class 1."""
    path = tmp_path / "photo.png"
    Image.fromarray(picture(1)[0]).save(path)
    return path


def look(driver: Any, dark: bool, size: tuple[int, int]) -> None:
    screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def requests(driver: Any) -> list[str]:
    """Addresses that were asked for since it was last asked."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    sent = (each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent")
    # What the browser shows before a page is opened is its own.
    return [url for url in sent if url.startswith(("http:", "https:", "ws:", "file:"))]


def violations(driver: Any, axe: str) -> list[str]:
    driver.execute_script("document.querySelectorAll('details').forEach((each) => (each.open = true));")
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    asked = "const done = arguments[0]; axe.run(document).then((found) => done(found.violations));"
    found = driver.execute_async_script(asked)
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


def until(condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within 30 s")


def texts(driver: Any, selector: str) -> list[str]:
    shown = "[...document.querySelectorAll(arguments[0])].filter((each) => each.offsetParent)"
    found: list[str] = driver.execute_script(f"return {shown}.map((each) => each.textContent.trim())", selector)
    return found


def test_a_report_opens_from_the_disk_without_a_network(driver: Any, page: str, axe: str) -> None:
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    requests(driver)
    for dark in (False, True):
        for size in SIZES:
            look(driver, dark, size)
            driver.get(page)
            assert set(requests(driver)) == {page}
            assert violations(driver, axe) == []
            assert driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
    assert driver.get_log("browser") == []
    assert driver.title == "four <b>corners</b> on quadrants – Firebit report"
    assert CLASSES[0] in texts(driver, "#matrix thead th")


def test_a_report_is_sorted_and_filtered_by_keyboard(driver: Any, page: str) -> None:
    from selenium.webdriver.common.keys import Keys

    driver.get(page)
    rate = driver.find_elements("css selector", "#matrix thead button")[1]
    rate.send_keys(Keys.ENTER)
    assert texts(driver, "#matrix tbody td:nth-child(2)") == ["100.0", "25.0", "25.0", "25.0", "25.0", "0.0"]
    assert rate.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    rate.send_keys(Keys.SPACE)
    assert texts(driver, "#matrix tbody td:nth-child(2)")[0] == "0.0"
    assert rate.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    driver.find_element("id", "odd").send_keys(Keys.SPACE)
    assert texts(driver, "#shown") == ["4 of 6 units"]
    driver.find_element("id", "filter").send_keys("never fires")
    assert texts(driver, "#shown") == ["0 of 6 units"]
    driver.find_element("id", "odd").send_keys(Keys.SPACE)
    assert texts(driver, "#matrix tbody th") == ["5"]


def test_units_of_a_report_are_leafed_through(driver: Any, page: str) -> None:
    from selenium.webdriver.common.keys import Keys

    driver.get(page)
    pages = driver.execute_script("return [...document.querySelectorAll('.unit')].map((each) => each.id)")
    shown = "return [...document.querySelectorAll('.unit')].filter((each) => each.offsetParent).map((each) => each.id)"
    assert driver.execute_script(shown) == pages[:1]
    driver.find_element("id", "next").send_keys(Keys.ENTER)
    assert driver.execute_script(shown) == pages[1:2]
    driver.find_element("id", "previous").send_keys(Keys.ENTER)
    assert not driver.find_element("id", "previous").is_enabled()
    driver.find_element("css selector", "#matrix a[href='#u5']").send_keys(Keys.ENTER)
    until(lambda: driver.execute_script(shown) == ["u5"])
    assert driver.switch_to.active_element.text.startswith("Unit 5")
    driver.get(f"{page}#u3")
    assert driver.execute_script(shown) == ["u3"]


def test_a_printed_report_has_no_controls(driver: Any, page: str) -> None:
    driver.get(page)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not driver.find_element("css selector", ".sections").is_displayed()
    assert not driver.find_element("id", "filter").is_displayed()
    assert driver.find_element("id", "matrix").is_displayed()


def test_the_app_looks_at_a_picture(driver: Any, app: str, photo: Path, axe: str) -> None:
    from selenium.webdriver.common.keys import Keys

    requests(driver)
    for dark in (False, True):
        for size in SIZES:
            look(driver, dark, size)
            driver.get(app)
            assert violations(driver, axe) == []
            driver.find_element("id", "file").send_keys(str(photo))
            until(lambda: len(driver.find_elements("css selector", "#overlay path")) == 64)
            assert texts(driver, "#guesses th[scope=row]")[0] == CLASSES[1]
            bit = driver.find_element("css selector", '[data-unit="1"]')
            bit.send_keys(Keys.ENTER)
            assert texts(driver, "#unit-heading") == ["Unit 1 of fire fires"]
            assert violations(driver, axe) == []
            assert driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
    assert [url for url in requests(driver) if not url.startswith(app)] == []
    assert driver.get_log("browser") == []


def test_parts_of_a_picture_are_removed_by_keyboard(driver: Any, app: str, photo: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    driver.get(app)
    driver.find_element("id", "file").send_keys(str(photo))
    until(lambda: len(driver.find_elements("css selector", "#overlay path")) == 64)
    driver.execute_script("document.querySelector('#overlay path').focus()")
    driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: texts(driver, "#status")[0].endswith("with 1 part removed."))
    paths = "[...document.querySelectorAll('#overlay path')]"
    pressed = f"return {paths}.findIndex((each) => each.getAttribute('aria-pressed') === 'true')"
    assert driver.execute_script(pressed) == 1
    driver.find_element("css selector", '[data-unit="1"]').send_keys(Keys.ENTER)
    driver.find_element("id", "smallest").send_keys(Keys.ENTER)
    until(lambda: "without any one of them its bit flips" in driver.find_element("id", "smallest-said").text)
    driver.find_element("id", "restore").send_keys(Keys.ENTER)
    until(lambda: "removed" not in texts(driver, "#status")[0])
    driver.find_element("id", "filter").send_keys(CLASSES[2])
    assert len(texts(driver, "#table tbody tr")) == 4
    driver.find_element("id", "state").send_keys("firing")
    assert texts(driver, "#table tbody th") == ["1"]


def test_the_app_says_what_is_wrong_with_a_picture(driver: Any, app: str, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"no picture")
    file = BytesIO()
    Image.new("L", (8, 8)).save(file, "GIF")
    (tmp_path / "other.gif").write_bytes(file.getvalue())
    driver.get(app)
    driver.find_element("id", "file").send_keys(str(tmp_path / "no.png"))
    until(lambda: "Not a whole PNG or JPEG picture" in driver.find_element("id", "problem").text)
    driver.find_element("id", "file").send_keys(str(tmp_path / "other.gif"))
    until(lambda: "other.gif is no PNG or JPEG picture" in driver.find_element("id", "problem").text)
