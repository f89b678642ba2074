"""A real browser for the pages that the analysis writes."""

import json
import os
import shutil

import numpy as np
import pytest

from nmt.analysis.matrix_html import save_page


class Page:
    """A page in a browser: opened, pointed at, read."""

    def __init__(self, driver, folder):
        self.driver, self.path = driver, folder / "page.html"
        self.url = self.path.as_uri()

    def open(self, content, width=900):
        save_page(content, self.path)
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(self.url)
        return self

    def enter_frame(self):
        """From here on all is asked of the page in the frame, once that has been laid out."""
        self.driver.switch_to.frame(self.driver.find_element("tag name", "iframe"))
        twice = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        self.driver.execute_async_script(twice)

    def do(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def part(self, name):
        return self.driver.find_element("id", name)

    def cell(self, target, source):
        find = "return document.querySelector('tbody').rows[arguments[0]].cells[arguments[1] + 1]"
        return self.do(find, target, source)

    def hover(self, target, source):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver, duration=0).move_to_element(self.cell(target, source)).perform()
        return self.tip()

    def tip(self):
        """(source word, target word, weight as a number), or None where no tip is to be seen."""
        if not self.part("tip").is_displayed():
            return None
        texts = [self.part(f"tip-{name}").text for name in ("source", "target", "weight")]
        return texts[0], texts[1], float(texts[2])

    def marked_words(self):
        return [word.text for word in self.driver.find_elements("css selector", "th.on")]

    def shown(self):
        """(target words, source words and EOS), how bright each cell is: 0 black to 1 white."""
        script = """return [...document.querySelector('tbody').rows].map(
            (row) => [...row.cells].slice(1).map((td) => +getComputedStyle(td, '::before').opacity)
        )"""
        return np.array(self.do(script))

    def links(self):
        """(source word, target word) of the cells that are white."""
        return {(int(s), int(t)) for t, s in np.argwhere(self.shown() == 1)}

    def network_events(self, name):
        """What the browser has told of its network since it was last asked."""
        entries = self.driver.get_log("performance")
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [one["params"] for one in messages if one["method"] == f"Network.{name}"]

    def choose_mode(self, name):
        self.driver.find_element("css selector", f"label:has([value={name}])").click()

    def slide(self, name, *keys):
        from selenium.webdriver.common.keys import Keys

        self.part(name).send_keys(*(getattr(Keys, key) for key in keys))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """One browser for all tests of a file; without one they are skipped, but fail under CI."""
    browser, server = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and server):
        missing = "these tests want chromium and chromedriver (apt.txt) on the path"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    switches = (
        "headless=new no-sandbox disable-gpu disable-dev-shm-usage no-first-run disable-sync "
        "disable-background-networking disable-component-update"
    )
    for switch in switches.split():
        options.add_argument(f"--{switch}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(server))
    driver.get("about:blank")  # not the browser's own first page
    yield driver
    driver.quit()


@pytest.fixture
def page(driver, tmp_path):
    """A page which, when the test is over, has logged nothing and asked for nothing but itself."""
    page = Page(driver, tmp_path)
    driver.get_log("browser"), driver.get_log("performance")  # what an earlier test left
    yield page
    driver.switch_to.default_content()
    assert driver.get_log("browser") == []
    urls = [event["request"]["url"] for event in page.network_events("requestWillBeSent")]
    assert {url for url in urls if not url.startswith("data:image/png")} <= {page.url}
