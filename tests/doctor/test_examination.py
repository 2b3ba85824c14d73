"""A check that fails stops those that need it, and no others."""

from backend.doctor.examination import Examination, Finding, NotCheckedError, Notes, Trouble


def fine(notes: Notes, *_: int) -> int:
    """A check that finds what others need."""
    notes.well("fine")
    return 1


def troubled(_: Notes) -> int:
    raise Trouble("it is off", "switch it on")


def test_those_that_need_what_failed_are_not_checked_and_the_others_are() -> None:
    shown: list[list[Finding]] = []
    examination = Examination(shown.append)
    first = examination.look("first", troubled)
    second = examination.look("second", fine)
    third = examination.look("third", fine, first, second, first)
    examination.look("fourth", fine, third)

    assert [(each.check, each.state, each.what) for each in examination.findings] == [
        ("first", "wrong", "it is off"),
        ("second", "ok", "fine"),
        ("third", "not checked", "needs first"),
        ("fourth", "not checked", "needs third"),
    ]
    assert not examination.is_well
    assert [each for some in shown for each in some] == examination.findings


def test_a_missing_package_or_a_reason_is_not_wrong() -> None:
    def without_package(_: Notes) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    def without_reach(_: Notes) -> None:
        raise NotCheckedError("needs more")

    examination = Examination()
    examination.look("first", without_package)
    examination.look("second", without_reach)

    assert examination.is_well
    assert "Python package torch" in examination.findings[0].what


def test_an_error_that_nobody_thought_of_ends_one_check_only() -> None:
    examination = Examination()
    examination.look("first", lambda _: 1 // 0)
    examination.look("second", fine)

    assert [each.state for each in examination.findings] == ["wrong", "ok"]
    assert "ZeroDivisionError" in examination.findings[0].what
