"""The complete checklist in order, and the function that runs it."""

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


def run_checklist(inspector: Inspector) -> Iterator[tuple[Section, ChecklistItem, ChecklistOutcome]]:
    """Check every item in order; a CoinError becomes a failure with its message."""
    reported: set[str] = set()
    for section in CHECKLIST:
        for item in section.items:
            yield section, item, _check(item, inspector, reported)


def _check(item: ChecklistItem, inspector: Inspector, reported: set[str]) -> ChecklistOutcome:
    """Check one item; an unreachable API is reported in full only once."""
    try:
        return item.check(inspector)
    except ApiUnreachable as error:
        detail = "the API does not respond (see above)" if str(error) in reported else str(error)
        reported.add(str(error))
        return ChecklistOutcome("fail", detail, error.command)
    except (CoinError, OSError) as error:  # OSError: for example a file without read permission
        return failed(str(error))
