"""The text of one error."""

from typing import NamedTuple


class ErrorText(NamedTuple):
    """A text with the same placeholders in each form.

    Attributes:
        en: English, as the API and the command line have it.
        ko: Korean, for pages.
        page: English for pages, where the advice of `en` is none for a browser; None for the same text.
    """

    en: str
    ko: str
    page: str | None = None
