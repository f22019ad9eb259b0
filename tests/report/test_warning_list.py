"""The list of warnings, in which many of one kind are folded."""

from typing import Any

import pytest

from coin_pipeline.backtest.messages import Message, warnings_json
from coin_pipeline.report.warning_list import SHOWN_OF_A_KIND, warning_list

FEW = Message("few_trades", {"trades": 1, "limit": 30})


def document(never_traded: int) -> dict[str, Any]:
    """Return a document with a warning, and one of another kind about each of some symbols."""
    symbols = [Message("never_traded", {"symbol": f"S{number}_KRW"}) for number in range(never_traded)]
    return dict(warnings_json([*symbols[:1], FEW, *symbols[1:]]))


def test_many_warnings_of_a_kind_are_one_with_the_others_below_it() -> None:
    """Each is still there, and the number of those that are folded."""
    text = str(warning_list(document(60), "ko"))
    assert text.count("<details>") == 1
    assert "같은 종류의 경고 59건 더 보기" in text
    outside = text.partition("<details>")[0] + text.partition("</details>")[2]
    assert outside.count("<li") == 2
    assert [text.count(f"S{number}_KRW:") for number in range(60)] == [1] * 60


@pytest.mark.parametrize("count", [1, SHOWN_OF_A_KIND])
def test_few_warnings_of_a_kind_are_listed(count: int) -> None:
    """Unfolding them would be more work than reading them."""
    text = str(warning_list(document(count), "en"))
    assert (text.count("<li"), "<details>" in text) == (count + 1, False)


def test_warnings_without_codes_are_listed_as_text() -> None:
    """Those of earlier releases, whose kind is not known; what they contain is inert."""
    text = str(warning_list({"warnings": ["<b>same</b>"] * 5}, "ko"))
    assert text.count('<li lang="en">&lt;b&gt;same') == 5


def test_document_without_warnings_has_no_list() -> None:
    """Then the page has no section for them."""
    assert warning_list({"warnings": []}, "en") is None
