"""The local app over HTTP."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from firebit.data import ImageSet
from firebit.engine.network import Network
from firebit.web import Lens, Limits, make_app
from firebit.web.neighbours import Hit

from .conftest import CLASSES, picture

PNG = {"content-type": "image/png"}


def png(index: int) -> bytes:
    file = BytesIO()
    Image.fromarray(picture(index)[0]).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def client(network: Network, pictures: ImageSet) -> TestClient:
    return TestClient(make_app(Lens(network, "corners <b>", pictures)), base_url="http://localhost")


class Store:
    """A store of one picture, which has every bit."""

    name, bits, layer = "photos.db", 6, "fire"

    def __len__(self) -> int:
        return 1

    def nearest(self, code: np.ndarray, k: int, where: object) -> list[Hit]:
        return [] if where else [Hit("one", int(6 - np.unpackbits(code).sum()), np.array([63], np.uint8), {})][:k]


def test_the_page_and_what_it_loads(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>corners &lt;b&gt;</h1>" in page.text
    for path, kind in (("/app.css", "text/css"), ("/app.js", "text/javascript"), ("/favicon.ico", "image/svg+xml")):
        found = client.get(path)
        assert found.status_code == 200 and found.headers["content-type"].startswith(kind)
        assert found.headers["x-content-type-options"] == "nosniff"
        assert path in page.text


def test_facts_of_the_network(client: TestClient, network: Network) -> None:
    assert client.get("/api/network").json() == {
        **{"name": "corners <b>", "fingerprint": network.fingerprint, "input": [1, 8, 8]},
        "layers": [{"name": "fire", "shape": [6], "units": 6}],
        **{"classes": list(CLASSES), "data": "quadrants-test", "store": None, "stored": 0, "most_bytes": 10 << 20},
    }
    units = client.get("/api/units", params={"layer": "fire"}).json()["units"]
    assert units[1]["positive"] == [CLASSES[1]]


def test_a_picture_is_seen(client: TestClient) -> None:
    found = client.post("/api/see", params={"layer": "fire"}, content=png(1), headers=PNG)
    assert found.status_code == 200
    assert found.json()["guesses"][0]["name"] == CLASSES[1] and found.json()["code"] == "12"


def test_parts_are_removed(client: TestClient) -> None:
    asked = {"layer": "fire", "removed": [row * 8 + column for row in range(4) for column in range(4, 8)]}
    found = client.post("/api/see", params=asked, content=png(1), headers=PNG).json()
    assert found["flips"] == [1]
    parts = client.post("/api/segments", params={"layer": "fire"}, content=png(1), headers=PNG).json()
    assert len(parts["effects"]) == len(parts["outlines"]) == 64


def test_the_smallest_part(client: TestClient) -> None:
    found = client.post("/api/smallest", params={"layer": "fire", "unit": 1}, content=png(1), headers=PNG).json()
    assert found["fires"] and 0 < found["share"] < 0.5


def test_nearest_pictures(network: Network) -> None:
    client = TestClient(make_app(Lens(network, "corners"), Store()), base_url="http://localhost")
    assert client.get("/api/network").json()["store"] == "photos.db"
    found = client.post("/api/nearest", content=png(1), headers=PNG).json()
    # Units 1 and 4 fire, the others differ.
    assert found["bits"] == 6
    assert (found["found"][0]["distance"], found["found"][0]["differing"]) == (4, [0, 2, 3, 5])
    filtered = client.post("/api/nearest", params={"key": "kind", "value": "x"}, content=png(1), headers=PNG).json()
    assert filtered["found"] == []


def test_without_a_store_there_are_no_nearest_pictures(client: TestClient) -> None:
    found = client.post("/api/nearest", content=png(1), headers=PNG)
    assert (found.status_code, found.json()["remedy"]) == (404, "Start the app with --store.")


@pytest.mark.parametrize(
    ("path", "params", "content", "headers", "status", "said"),
    [
        ("see", {"layer": "fire"}, b"no picture", PNG, 422, "the picture"),
        ("see", {"layer": "fire"}, png(0)[:60], PNG, 422, "the picture"),
        ("see", {"layer": "fire"}, b"", PNG, 400, "no picture in the request"),
        ("see", {"layer": "fire"}, png(0), {"content-type": "image/gif"}, 415, "image/gif"),
        ("see", {"layer": "no"}, png(0), PNG, 400, "no layer 'no'"),
        ("see", {}, png(0), PNG, 400, "layer"),
        ("see", {"layer": "fire", "removed": "x"}, png(0), PNG, 400, "integer"),
        ("see", {"layer": "fire", "removed": 64}, png(0), PNG, 400, "64 segments"),
        ("see", {"layer": "fire", "removed": 1, "fill": "pink"}, png(0), PNG, 400, "'pink'"),
        ("segments", {"layer": "no"}, png(0), PNG, 400, "no layer 'no'"),
        ("smallest", {"layer": "fire", "unit": 6}, png(0), PNG, 400, "6"),
        ("smallest", {"layer": "fire", "unit": -1}, png(0), PNG, 400, "unit"),
        ("nothing", {}, png(0), PNG, 404, "Not Found"),
    ],
)
def test_what_is_wrong_is_said(
    client: TestClient,
    path: str,
    params: dict[str, str],
    content: bytes,
    headers: dict[str, str],
    status: int,
    said: str,
) -> None:
    found = client.post(f"/api/{path}", params=params, content=content, headers=headers)
    assert found.status_code == status
    assert set(found.json()) == {"problem", "remedy"}
    assert said in found.json()["problem"]
    assert all(found.json().values()) and "Traceback" not in found.text


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_damaged_pictures_are_seen_or_refused(client: TestClient, kind: str) -> None:
    """Whatever bytes are changed: an answer, or a sentence."""
    file = BytesIO()
    Image.fromarray(picture(0)[0]).save(file, kind)
    rng = np.random.default_rng(0)
    for _ in range(60):
        content = np.frombuffer(file.getvalue(), np.uint8).copy()
        content[rng.integers(0, len(content), 3)] = rng.integers(0, 256, 3, np.uint8)
        headers = {"content-type": f"image/{kind.lower()}"}
        found = client.post("/api/see", params={"layer": "fire"}, content=content.tobytes(), headers=headers)
        assert found.status_code in (200, 422)
        assert "guesses" in found.json() if found.status_code == 200 else found.json()["problem"]


def test_limits_hold(network: Network) -> None:
    limits = Limits(most_bytes=len(png(0)) - 1, most_pixels=64)
    client = TestClient(make_app(Lens(network, "corners"), limits=limits), base_url="http://localhost")
    found = client.post("/api/see", params={"layer": "fire"}, content=png(0), headers=PNG)
    assert found.status_code == 413
    small = Limits(most_pixels=63)
    client = TestClient(make_app(Lens(network, "corners"), limits=small), base_url="http://localhost")
    found = client.post("/api/see", params={"layer": "fire"}, content=png(0), headers=PNG)
    assert (found.status_code, found.json()["problem"]) == (422, "the picture claims 8 × 8 pixels.")


def test_no_files_can_be_read(client: TestClient, tmp_path: Path) -> None:
    for path in ("/../../etc/passwd", "/static/base.css", "/%2e%2e/app.py", f"/{tmp_path}", "/docs", "/redoc"):
        assert client.get(path).status_code == 404


def test_strangers_are_not_answered(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    found = client.post(
        "/api/see", params={"layer": "fire"}, content=png(0), headers={**PNG, "origin": "http://evil.example"}
    )
    assert found.status_code == 403


def test_what_there_is_is_described(client: TestClient) -> None:
    found = client.get("/openapi.json").json()
    assert set(found["paths"]) == {
        f"/api/{name}" for name in ("network", "units", "see", "segments", "smallest", "nearest")
    }
    body = found["paths"]["/api/see"]["post"]["requestBody"]["content"]
    assert set(body) == {"image/png", "image/jpeg"}
