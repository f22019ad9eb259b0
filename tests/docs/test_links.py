"""Links of the documentation."""

import re

from tests.docs.shell_blocks import pages

_LINK = re.compile(r"\]\(([^)\s#:]*)(?:#([^)\s]+))?\)")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and mkdocs.yml make them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = (
        re.sub(r"[`*]", "", heading).strip().lower() for heading in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    )
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def test_linked_files_and_headings_exist() -> None:
    """Every relative link leads to a file, and to a heading in it if it names one."""
    for page in pages():
        for target, anchor in _LINK.findall(page.read_text()):
            linked = page.parent / target if target else page
            assert linked.exists(), f"{page.name} links to {target}"
            if anchor and linked.suffix == ".md":
                assert anchor in anchors(linked.read_text()), f"{page.name} links to {target}#{anchor}"
