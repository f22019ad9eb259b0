"""The whole checklist, in its order, and going through it."""

from collections.abc import Iterator

from coin_pipeline.errors import ApiUnreachable, CoinError
from coin_pipeline.migration.checklist.data import DATA
from coin_pipeline.migration.checklist.deployment import COMPLETION, DEPLOYMENT, NEXT, ROLLBACK, SECURITY
from coin_pipeline.migration.checklist.environment import ENVIRONMENT
from coin_pipeline.migration.checklist.item import ChecklistItem, ChecklistOutcome, Section, failed
from coin_pipeline.migration.checklist.preparation import PREPARATION, UPGRADE
from coin_pipeline.migration.checklist.verification import VERIFICATION
from coin_pipeline.migration.inspector import Inspector

CHECKLIST: tuple[Section, ...] = (
    *PREPARATION,
    *UPGRADE,
    *ENVIRONMENT,
    *DATA,
    *VERIFICATION,
    *DEPLOYMENT,
    *ROLLBACK,
    *COMPLETION,
    *SECURITY,
    *NEXT,
)


def run_checklist(evidence: Inspector) -> Iterator[tuple[Section, ChecklistItem, ChecklistOutcome]]:
    """Look at every item, one after the other; an error of ours is a failure that says what to do."""
    told: set[str] = set()
    for section in CHECKLIST:
        for item in section.items:
            yield section, item, _look(item, evidence, told)


def _look(item: ChecklistItem, evidence: Inspector, told: set[str]) -> ChecklistOutcome:
    """Look at one item; that nobody serves the API is told in full once."""
    try:
        return item.look(evidence)
    except ApiUnreachable as error:
        detail = "the API does not answer, as above" if str(error) in told else str(error)
        told.add(str(error))
        return ChecklistOutcome("fail", detail, error.command)
    except (CoinError, OSError) as error:  # a file that may not be read, say
        return failed(str(error))
