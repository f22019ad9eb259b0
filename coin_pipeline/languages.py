"""Texts for people, in English and in Korean."""

from typing import Literal, NamedTuple, get_args

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Text(NamedTuple):
    """A text in both languages, with the same placeholders."""

    en: str
    ko: str

    def pick(self, language: Language) -> str:
        """Return the text in a language as it is, with its placeholders."""
        return self.ko if language == "ko" else self.en

    def write(self, language: Language, **values: object) -> str:
        """Return the text in a language, with its placeholders filled.

        >>> Text("{count} trades", "거래 {count}건").write("ko", count=3)
        '거래 3건'
        """
        return self.pick(language).format(**values)


class Sentence(NamedTuple):
    """A sentence in the language that it is in."""

    text: str
    language: Language
