"""Which pictures a network is measured on."""

from pathlib import Path

import pytest

from firebit.cli.pictures import load_fitting, own_data
from firebit.errors import UsageError


def test_the_data_set_of_a_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('data = "digits"\n')
    assert own_data(tmp_path, "firebit eval RUN DATA") == "digits"
    recipe.write_text("data = 3\n")
    with pytest.raises(UsageError, match="does not say which data set") as caught:
        own_data(tmp_path, "firebit eval RUN DATA")
    assert caught.value.remedy == "Name one: firebit eval RUN DATA."
    for text, reason in (("data =", "cannot be read"), (None, "it is missing")):
        recipe.unlink()
        if text is not None:
            recipe.write_text(text)
        with pytest.raises(UsageError, match=reason):
            own_data(tmp_path, "firebit eval RUN DATA")
        recipe.touch()


def test_pictures_must_fit(few_digits: Path) -> None:
    assert load_fitting(str(few_digits), "test", (1, 28, 28), 10).images.shape == (60, 1, 28, 28)
    # Pictures of a folder are brought to the size of the network.
    assert load_fitting(str(few_digits), "test", (1, 14, 14), 10).images.shape == (60, 1, 14, 14)
    with pytest.raises(UsageError, match=r"3×28×28 in 10 classes; .* has 1×28×28 in 10"):
        load_fitting(str(few_digits), "test", (3, 28, 28), 10)
    with pytest.raises(UsageError, match="in 7 classes"):
        load_fitting(str(few_digits), "test", (1, 28, 28), 7)
