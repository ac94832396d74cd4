import pytest

import firebit
from firebit import errors

CODES = {
    errors.FirebitError: 1,
    errors.UsageError: 2,
    errors.DataError: 3,
    errors.ModelFileError: 4,
    errors.DivergedError: 5,
    errors.UnavailableError: 6,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_an_error_tells_problem_remedy_and_exit_code(kind: type[errors.FirebitError], code: int) -> None:
    error = kind("labels.gz is empty.", "Fetch it again.")
    assert (error.problem, error.remedy, error.exit_code) == ("labels.gz is empty.", "Fetch it again.", code)
    assert str(error).splitlines() == ["labels.gz is empty.", "Fetch it again."]
    assert isinstance(error, errors.FirebitError)


def test_every_error_class_has_a_code_and_is_public() -> None:
    defined = {value for value in vars(errors).values() if isinstance(value, type)}
    assert defined == set(CODES)
    assert all(getattr(firebit, kind.__name__) is kind for kind in defined)


def test_a_usage_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="slope"):
        raise errors.UsageError("slope is wrong.", "Give another.")
