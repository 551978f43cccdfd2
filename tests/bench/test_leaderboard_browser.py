"""The site in Chromium, from file://: what a reader does, and that nothing asks the network."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sites import HOSTILE, write_site

CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"
    ),
    pytest.mark.xdist_group("chromium"),
]
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("results")).parent


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    os.environ["SE_AVOID_STATS"] = "true"
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """The browser; afterwards its console must be empty, and every request must have gone to a file."""
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    yield browser
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in asked if m["method"] == "Network.requestWillBeSent"]
    assert urls
    assert {urlsplit(url).scheme for url in urls} <= {"file", "data", "blob", "about"}


def wait(condition: Callable[[], Any]) -> Any:
    for _ in range(6000):  # a browser beside many other tests may be slow
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("this did not happen")


def shown(page: Any) -> list[str]:
    return page.execute_script(
        "return [...document.querySelectorAll('#all tbody tr:not([hidden]) th bdi')].map(e => e.textContent)"
    )


def choose(page: Any, name: str, value: str) -> None:
    page.execute_script(
        "const f = document.getElementsByName(arguments[0])[0]; f.value = arguments[1];"
        "f.dispatchEvent(new Event('input', {bubbles: true}))", name, value,
    )  # fmt: skip


def test_filters_and_the_sort_by_keyboard_change_the_table_and_the_address(page: Any, site: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page.get(f"{site.as_uri()}/index.html")
    first = shown(page)
    count = page.find_element(By.CSS_SELECTOR, ".filters .count")
    total = len(page.find_elements(By.CSS_SELECTOR, "#all tbody tr"))
    assert count.text == f"{len(first)} of {total} rows"
    assert count.get_attribute("aria-live") == "polite"
    assert len(first) < total  # one protocol at first
    choose(page, "suite", "diagnostic")
    assert sorted(shown(page)) == ["bc", "cql", "iql", "sorl"]
    assert count.text == f"4 of {total} rows"
    button = page.find_element(By.XPATH, "//table[@id='all']//th/button[.='Mean']")
    button.send_keys(Keys.ENTER)
    head = button.find_element(By.XPATH, "..")
    assert head.get_attribute("aria-sort") == "descending"
    falling = [float(x) for x in page.execute_script(
        "return [...document.querySelectorAll('#all tbody tr:not([hidden])')].map(r => r.cells[5].dataset.key)"
    ) if x]  # fmt: skip
    assert falling == sorted(falling, reverse=True)
    assert len(falling) == 3
    assert shown(page)[-1] == "cql"  # without a number, so last
    order, address = shown(page), page.current_url
    assert address.endswith("#suite=diagnostic&sort=5.descending")
    page.get("about:blank")
    page.get(address)
    assert shown(page) == order
    page.find_element(By.CSS_SELECTOR, ".filters button[type=reset]").click()
    assert sorted(shown(page)) == sorted(first)


def test_a_reader_who_filters_by_name_family_and_seeds_finds_rows(page: Any, site: Path) -> None:
    page.get(f"{site.as_uri()}/index.html#family=weighted+regression&source=")
    assert sorted(shown(page)) == ["IQL", "iql", "iql"]  # run here, and reported under either name
    page.get(f"{site.as_uri()}/index.html#settings=tuned+%286+trials%29")
    wait(lambda: shown(page) == ["iql"])
    choose(page, "settings", "")
    choose(page, "source", "")
    choose(page, "seeds", "8")
    assert shown(page) == ["iql"]
    choose(page, "seeds", "")
    choose(page, "find", "somebody")
    assert shown(page) == ["iql"]


def test_a_hostile_name_is_text_and_its_link_leads_to_its_page(page: Any, site: Path) -> None:
    from selenium.webdriver.common.by import By

    page.get(f"{site.as_uri()}/index.html#suite=odd")
    assert HOSTILE in shown(page)
    page.find_element(By.LINK_TEXT, HOSTILE).click()
    wait(lambda: "/odd/algorithms/" in page.current_url)
    assert page.find_element(By.TAG_NAME, "h1").text == HOSTILE
    links = page.find_elements(By.CSS_SELECTOR, "main table a[href*='/runs/']")
    links[0].click()
    wait(lambda: "/odd/runs/" in page.current_url)
    assert page.find_element(By.CSS_SELECTOR, ".copy").is_displayed()
    page.get(f"{site.as_uri()}/odd/tasks/maze.html")
    wait(lambda: page.find_elements(By.CSS_SELECTOR, ".live .legendtext"))
    legend = [e.text for e in page.find_elements(By.CSS_SELECTOR, ".live .legendtext")]
    assert HOSTILE in legend


def test_plots_come_alive_in_place_of_their_pictures_in_light_and_dark(page: Any, site: Path) -> None:
    from selenium.webdriver.common.by import By

    page.get(f"{site.as_uri()}/diagnostic/tasks/gamble.html")
    wait(lambda: page.find_elements(By.CSS_SELECTOR, ".live .scatterlayer .trace"))
    wait(lambda: not page.find_element(By.CSS_SELECTOR, ".static").is_displayed())

    def ink() -> str:
        return page.execute_script("return getComputedStyle(document.querySelector('.legendtext')).fill")

    light = ink()
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    wait(lambda: ink() != light)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_site_without_plotlys_script_shows_pictures_instead(page: Any, site: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By

    copy = shutil.copytree(site, tmp_path / "site")
    (copy / "assets/plotly.min.js").unlink()
    page.get(f"{copy.as_uri()}/diagnostic/index.html")
    pictures = page.find_elements(By.CSS_SELECTOR, "figure.plot img")
    assert len(pictures) > 3
    page.execute_script("document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })")
    wait(lambda: page.execute_script("return [...document.images].every(i => i.naturalWidth > 0)"))
    assert all(picture.is_displayed() for picture in pictures)
    said = page.get_log("browser")
    assert len(said) == 1
    assert "plotly.min.js" in said[0]["message"]


@pytest.mark.parametrize("path", ["index.html", "diagnostic/index.html", "diagnostic/tasks/gamble.html"])
def test_a_phone_scrolls_tables_and_never_the_page(page: Any, site: Path, path: str) -> None:
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.get(f"{site.as_uri()}/{path}")
    assert page.execute_script("return document.documentElement.scrollWidth") == 390
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
