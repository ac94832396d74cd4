"""What every store promises, on every backend; Milvus with -m slow."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firebit.errors import DataError, UsageError
from firebit.search import CodeStore, Hit, Hits, pack

Make = Callable[..., CodeStore]
Codes = NDArray[np.uint8]

BITS = 48


def codes(count: int, seed: int = 0, most: int = 4) -> Codes:
    """Few different bytes: distances tie, and codes repeat."""
    return np.random.default_rng(seed).integers(0, most, (count, BITS // 8), np.uint8)


def names(count: int, seed: int = 0) -> list[str]:
    """Ids whose order is not the order in which they are stored."""
    return [f"item {number}" for number in np.random.default_rng(seed).permutation(count)]


def nearest(query: Codes, stored: dict[str, Codes], k: int | None = None, radius: int = BITS) -> list[tuple[int, str]]:
    """Pairs (distance, id) in order, of all that are stored."""
    away = ((int(np.unpackbits(code ^ query).sum()), name) for name, code in stored.items())
    return sorted(pair for pair in away if pair[0] <= radius)[:k]


def pairs(hits: Hits) -> list[tuple[int, str]]:
    found = [(hit.distance, hit.id) for hit in hits]
    assert found == list(zip(hits.distances.tolist(), hits.ids, strict=True))
    return found


@pytest.fixture
def stored() -> dict[str, Codes]:
    return dict(zip(names(500), codes(500), strict=True))


@pytest.fixture
def store(make: Make, stored: dict[str, Codes]) -> CodeStore:
    """500 items, with the number in the id as label."""
    made = make(BITS)
    payload = [{"label": int(name.split()[1]) % 7, "name": name} for name in stored]
    made.upsert(list(stored), codes=np.stack(list(stored.values())), payload=payload)
    return made


@pytest.mark.parametrize("exact", [True, False, "auto"])
def test_hits_come_by_distance_and_id(store: CodeStore, stored: dict[str, Codes], exact: bool | str) -> None:
    queries = codes(6, 1)
    found = store.search(codes=queries, k=20, exact=exact)
    assert [pairs(hits) for hits in found] == [nearest(query, stored, 20) for query in queries]


def test_one_code_for_all_comes_by_id(make: Make) -> None:
    store, same = make(BITS), np.zeros((300, BITS // 8), np.uint8)
    store.upsert(names(300), codes=same)
    (found,) = store.search(codes=same[:1], k=25)
    assert pairs(found) == [(0, name) for name in sorted(names(300))[:25]]


@pytest.mark.parametrize("k", [1, 499, 500, 501, 2000])
def test_fewer_hits_than_wanted_only_where_there_are_fewer(store: CodeStore, stored: dict[str, Codes], k: int) -> None:
    (found,) = store.search(codes=codes(1, 2), k=k)
    assert pairs(found) == nearest(codes(1, 2)[0], stored, k)
    assert len(found) == min(k, 500)


@pytest.mark.parametrize("radius", [0, 3, 6, BITS])
@pytest.mark.parametrize("k", [4, None])
def test_within_a_radius(store: CodeStore, stored: dict[str, Codes], radius: int, k: int | None) -> None:
    queries = np.concatenate((codes(2, 3), np.stack(list(stored.values()))[:2]))
    found = store.search(codes=queries, k=k, radius=radius)
    assert [pairs(hits) for hits in found] == [nearest(query, stored, k, radius) for query in queries]


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({"label": 3}, lambda label: label == 3),
        ({"label": {"in": [1, 5]}}, lambda label: label in (1, 5)),
        ({"label": {"ge": 2, "lt": 4}}, lambda label: 2 <= label < 4),
        ({"or": [{"label": 0}, {"not": {"label": {"lt": 6}}}]}, lambda label: label in (0, 6)),
        ({"label": {"ne": 3}, "name": {"ne": "item 4"}}, lambda label: label not in (3, 4) or None),
        ({"label": 99}, lambda label: False),
    ],
)
def test_only_what_matches_a_filter(
    store: CodeStore, stored: dict[str, Codes], where: dict[str, Any], holds: Callable[[int], bool | None]
) -> None:
    matching = {}
    for name, code in stored.items():
        verdict = holds(int(name.split()[1]) % 7)
        if verdict or (verdict is None and name != "item 4" and int(name.split()[1]) % 7 != 3):
            matching[name] = code
    queries = codes(3, 4)
    found = store.search(codes=queries, k=9, where=where)
    assert [pairs(hits) for hits in found] == [nearest(query, matching, 9) for query in queries]
    (all_of_them,) = store.search(codes=queries[:1], k=600, where=where)
    assert len(all_of_them) == len(matching) == store.count(where)


def test_a_filter_with_a_radius(store: CodeStore, stored: dict[str, Codes]) -> None:
    matching = {name: code for name, code in stored.items() if int(name.split()[1]) % 7 == 2}
    (found,) = store.search(codes=codes(1, 5), k=None, radius=6, where={"label": 2})
    assert pairs(found) == nearest(codes(1, 5)[0], matching, None, 6)


def test_payloads_come_with_hits_and_items(make: Make) -> None:
    payload = [{"a": [1, {"b": None}], "ü": "ß\n'\"", "x": 2.5}, {}]
    store = make(BITS)
    store.upsert(["one", "two"], codes=codes(2), payload=payload)
    found = {hit.id: hit.payload for hit in store.search(codes=codes(1), k=2)[0]}
    assert found == dict(zip(("one", "two"), payload, strict=True))
    assert [hit.payload for hit in store.search(codes=codes(1), k=2, payload=False)[0]] == [{}, {}]
    one, none, two = store.get(["one", "three", "two"])
    assert none is None and one is not None and two is not None
    assert (one.id, one.code.tolist(), one.payload) == ("one", codes(2)[0].tolist(), payload[0])
    assert two.payload == {}


def test_an_item_is_replaced_as_a_whole(store: CodeStore, stored: dict[str, Codes]) -> None:
    assert store.search(codes=codes(1, 6), k=1)
    new = codes(2, 7)
    store.upsert(["item 3", "new"], codes=new, payload=[{"fresh": True}, {}])
    stored |= {"item 3": new[0], "new": new[1]}
    assert store.count() == len(store) == 501
    queries = np.concatenate((new, codes(3, 8)))
    assert [pairs(hits) for hits in store.search(codes=queries, k=15)] == [nearest(q, stored, 15) for q in queries]
    (item,) = store.get(["item 3"])
    assert item is not None and item.payload == {"fresh": True}
    assert store.count({"name": "item 3"}) == 0


def test_deleted_items_are_gone(store: CodeStore, stored: dict[str, Codes]) -> None:
    assert store.search(codes=codes(1, 6), k=1)
    assert store.delete(["item 3", "item 4", "never was", "item 3"]) == 2
    assert store.delete(["item 3"]) == 0
    assert store.delete([]) == 0
    for name in ("item 3", "item 4"):
        del stored[name]
    labelled = [name for name in stored if int(name.split()[1]) % 7 == 1]
    assert store.delete(where={"label": 1}) == len(labelled)
    stored = {name: code for name, code in stored.items() if name not in labelled}
    assert store.count() == len(stored)
    queries = codes(4, 9)
    assert [pairs(hits) for hits in store.search(codes=queries, k=30)] == [nearest(q, stored, 30) for q in queries]
    assert store.get(["item 3"]) == [None]


def test_compacting_changes_nothing_that_is_found(store: CodeStore) -> None:
    store.delete(where={"label": 2})
    store.upsert(["item 1"], codes=codes(1, 20))
    before = [pairs(hits) for hits in store.search(codes=codes(4, 9), k=30)]
    store.compact()
    assert [pairs(hits) for hits in store.search(codes=codes(4, 9), k=30)] == before


def test_items_are_there_when_the_store_is_opened_again(make: Make, store: CodeStore) -> None:
    before = list(store.search(codes=codes(1, 9), k=30)[0])
    store.close()
    again = make()
    assert again.bits == BITS
    assert list(again.search(codes=codes(1, 9), k=30)[0]) == before


def test_a_search_by_id_is_one_by_its_code(store: CodeStore, stored: dict[str, Codes]) -> None:
    first, second = store.search(id=["item 7", "item 8"], k=5)
    assert pairs(first) == nearest(stored["item 7"], stored, 5)
    assert pairs(second) == nearest(stored["item 8"], stored, 5)
    assert store.search(id="item 7", k=5) == [first]
    with pytest.raises(DataError, match="no item 'none'"):
        store.search(id=["item 7", "none"])


def test_an_empty_store(make: Make) -> None:
    store = make(BITS)
    assert store.search(codes=codes(2), k=5) == [[], []]
    assert store.search(codes=codes(2), k=None, radius=3) == [[], []]
    assert store.search(codes=codes(1), k=5, where={"label": 3}) == [[]]
    assert store.search(codes=codes(0), k=5) == []
    assert (store.count(), store.get(["a"]), store.delete(["a"]), store.delete(where={"a": 1})) == (0, [None], 0, 0)
    store.upsert([], codes=codes(0))
    store.compact()
    assert len(store) == 0


IDS = ["a'b", 'say "so"', "two\nlines", "ü/ß.png", "😀", " ", "x" * 1000, "%_\\", "--", "a b", "a"]


def test_ids_of_any_text(make: Make) -> None:
    store = make(BITS)
    store.upsert(IDS, codes=codes(len(IDS)), payload=[{"file": name} for name in IDS])
    items = store.get(IDS)
    assert [item and (item.id, item.payload) for item in items] == [(name, {"file": name}) for name in IDS]
    (found,) = store.search(codes=codes(1), k=99)
    assert pairs(found) == nearest(codes(1)[0], dict(zip(IDS, codes(len(IDS)), strict=True)))
    assert [hit.id for hit in store.search(codes=codes(1), where={"file": 'say "so"'})[0]] == ['say "so"']
    assert store.delete(IDS[:9]) == 9
    assert sorted(store.search(codes=codes(1), k=99)[0].ids) == ["a", "a b"]


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (["a", "b", "a"], "'a' is given twice"),
        (["a", 3], r"ids\[1\] is 3"),
        (["a", ""], r"ids\[1\] is ''"),
        (["a\0b", "c"], r"ids\[0\]"),
        (["\ud800", "c"], r"ids\[0\]"),
        (["a", "x" * 5000], r"ids\[1\]"),
        ("ab", "type str"),
        (["a"], "1 ids and 2 codes"),
    ],
)
def test_ids_that_are_refused(make: Make, ids: Any, says: str) -> None:
    store = make(BITS)
    with pytest.raises(UsageError, match=says):
        store.upsert(ids, codes=codes(2))
    assert len(store) == 0


@pytest.mark.parametrize(
    "payload", [[{}], "{}", [{}, 3], [{}, {3: 1}], [{}, {"a": float("nan")}], [{}, {"a": b""}], [{}, {"a": {1, 2}}]]
)
def test_payloads_that_are_refused(make: Make, payload: Any) -> None:
    store = make(BITS)
    with pytest.raises(UsageError, match="payload"):
        store.upsert(["a", "b"], codes=codes(2), payload=payload)
    assert len(store) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"k": 0}, "k=0"),
        ({"k": -1}, "k=-1"),
        ({"k": 2.5}, "k=2.5"),
        ({"k": True}, "k=True"),
        ({"k": None}, "radius"),
        ({"radius": -1}, "radius=-1"),
        ({"exact": "maybe"}, "exact='maybe'"),
        ({"where": {"label": {"like": 3}}}, "like"),
        ({"id": "a"}, "Give one of"),
        ({"images": [1]}, "Give one of"),
        ({"rerank_by": "encoder"}, "real values"),
    ],
)
def test_searches_that_mean_nothing(store: CodeStore, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        store.search(codes=codes(1), **options)
    assert says in str(caught.value)


@pytest.mark.parametrize("wrong", [np.zeros((1, 5), np.uint8), np.zeros((1, 6)), np.zeros((1, 1, 6), np.uint8)])
def test_codes_of_another_length_are_refused(store: CodeStore, wrong: Any) -> None:
    with pytest.raises(UsageError, match="codes"):
        store.search(codes=wrong)
    with pytest.raises(UsageError, match="codes"):
        store.upsert(["a"], codes=wrong)


def test_a_store_of_other_codes_is_refused(make: Make, store: CodeStore) -> None:
    with pytest.raises(UsageError, match="codes of 48 bits, not 64"):
        make(64)
    with pytest.raises(UsageError, match="an encoder that nobody named"):
        make(BITS, fingerprint="other")


@dataclass
class Brightness:
    """An encoder of one number per picture: bit i is whether it is above i."""

    fingerprint: str = "brightness 1"
    bits: int = BITS

    def reals(self, images: list[float]) -> NDArray[np.float64]:
        return np.asarray(images, float)[:, None] - np.arange(self.bits)

    def codes(self, images: list[float]) -> Codes:
        return pack(self.reals(images) >= 0)


def test_an_encoder_makes_codes_of_pictures(make: Make) -> None:
    store = make(encoder=Brightness())
    store.upsert(["dark", "grey", "bright"], [3.0, 20.0, 40.0])
    assert [hit.id for hit in store.search([19.5], k=3)[0]] == ["grey", "dark", "bright"]
    assert store.fingerprint == "brightness 1"
    with pytest.raises(UsageError, match="holds codes of the encoder brightness 1"):
        make(encoder=Brightness("brightness 2"))
    without = make()
    with pytest.raises(UsageError, match="no encoder"):
        without.search([19.5])
    with pytest.raises(UsageError, match="no encoder"):
        without.upsert(["a"], [1.0])


def test_reranking_by_the_asymmetric_distance(make: Make) -> None:
    store = make(encoder=Brightness())
    store.upsert(["b", "a"], [9.0, 11.0], payload=[{"n": 1}, {"n": 2}])
    # 10.3 has the bits 0 … 10. Of 9.0 bit 10 differs, held by 0.3; of 11.0 bit 11, by 0.7.
    assert [hit.id for hit in store.search([10.3], k=2)[0]] == ["a", "b"]
    (found,) = store.search([10.3], k=2, rerank_by="encoder")
    assert [(hit.id, hit.distance, hit.payload["n"]) for hit in found] == [("b", 1, 1), ("a", 1, 2)]
    assert [hit.cost for hit in found] == pytest.approx([0.3, 0.7])
    reals = Brightness().reals([10.3])
    assert store.search(codes=pack(reals >= 0), k=1, rerank_by=reals) == [[found[0]]]
    for wrong in (-reals, reals[:, 1:], np.full_like(reals, np.nan), "margins"):
        with pytest.raises(UsageError, match="rerank_by"):
            store.search([10.3], rerank_by=wrong)


def test_hits_are_json(store: CodeStore) -> None:
    (found,) = store.search(codes=codes(1), k=2)
    first = found[0]
    assert json.loads(json.dumps(first.to_dict())) == {
        "id": first.id,
        "distance": first.distance,
        "payload": first.payload,
    }
    assert isinstance(found[0:2], list) and isinstance(found[-1], Hit) and len(found) == 2


def test_what_a_store_says_of_itself(store: CodeStore) -> None:
    told = store.capabilities()
    assert (told.bits, told.items, told.exact) == (BITS, 500, True)
    assert json.loads(json.dumps(told.to_dict()))["backend"] == told.backend


def test_a_field_with_an_index_is_filtered_alike(store: CodeStore) -> None:
    before = store.count({"label": {"in": [3, 4]}})
    store.index_field("label")
    store.index_field("label")
    assert store.count({"label": {"in": [3, 4]}}) == before


def test_deleting_takes_ids_or_a_filter(store: CodeStore) -> None:
    for options in ({}, {"ids": ["a"], "where": {"label": 3}}):
        with pytest.raises(UsageError, match="ids, or a filter"):
            store.delete(**options)  # type: ignore[arg-type]
    assert len(store) == 500


def test_ids_come_in_order(store: CodeStore, stored: dict[str, Codes]) -> None:
    assert store.ids() == sorted(stored)
    assert store.ids({"label": 3}) == sorted(name for name in stored if int(name.split()[1]) % 7 == 3)
    assert store.ids({"label": 9}) == []


def test_an_open_store_takes_an_encoder_of_its_codes_alone(make: Make) -> None:
    @dataclass(frozen=True)
    class Own:
        bits: int
        fingerprint: str

        def codes(self, images: Any) -> Codes:
            return codes(len(images), 7)

    made = make(BITS, fingerprint="one")
    for other in (Own(BITS, "other"), Own(8, "one")):
        with pytest.raises(UsageError, match="holds codes of"):
            made.use(other)
    assert made.encoder is None
    made.use(Own(BITS, "one"))
    made.upsert(["a", "b"], images=[0, 0])
    assert made.search(images=[0])[0].ids[0] == "a"
