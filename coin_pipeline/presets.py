"""Presets: parameters of a strategy under a name. Three are built in; users add, change and delete others."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field

from coin_pipeline.backtest.request import Params, StrategyName
from coin_pipeline.candles.fields import RequestModel, parse_fields
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import BuiltInPreset, PresetExists, PresetNotFound, coded
from coin_pipeline.strategies.registry import StrategyRegistry

MAX_DESCRIPTION = 500
_LIST = "select name, strategy, params::text, description, updated_at from coin.preset order by name"
_GET = "select name, strategy, params::text, description, updated_at from coin.preset where name = %s"
_SAVE = """
insert into coin.preset (name, strategy, params, description, updated_at) values (%s, %s, %s, %s, clock_timestamp())
on conflict (name) do update set strategy = excluded.strategy, params = excluded.params,
    description = excluded.description, updated_at = excluded.updated_at
returning name, strategy, params::text, description, updated_at
"""
_RENAME = """
with renamed as (
    insert into coin.preset (name, strategy, params, description, updated_at)
    select %(new)s, strategy, params, description, updated_at from coin.preset where name = %(old)s
    on conflict (name) do nothing returning name, strategy, params::text, description, updated_at
), gone as (delete from coin.preset where name = %(old)s and exists (select from renamed))
select * from renamed
"""
_DELETE = """
delete from coin.preset where name = %s returning name, strategy, params::text, description, updated_at
"""
_NAME = re.compile(r"\w([\w .+-]*\w)?")  # a segment of a path in every client
_LINE = re.compile(r"[^\x00-\x1f\x7f]*")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(coded("not_a_preset_name", name=f"{name!r:.60}"))
    return name


def _check_line(text: str) -> str:
    if not _LINE.fullmatch(text):
        raise ValueError(coded("not_one_line"))
    return text


Name = Annotated[
    str,
    Field(
        max_length=100,
        description="Letters, digits, spaces and `_.+-`; begins and ends with a letter or a digit.",
        json_schema_extra={"pattern": f"^{_NAME.pattern}$"},
    ),
    AfterValidator(_check_name),
]


class PresetFields(RequestModel):
    """What a preset contains besides its name."""

    strategy: StrategyName
    params: Params = {}  # noqa: RUF012 -- pydantic copies it
    description: Annotated[
        str,
        Field(
            max_length=MAX_DESCRIPTION,
            description="What it is for, in one line.",
            json_schema_extra={"pattern": f"^{_LINE.pattern}$"},
        ),
        AfterValidator(_check_line),
    ] = ""


class PresetRequest(PresetFields):
    """A preset to save."""

    name: Name


class PresetRename(RequestModel):
    """A new name for a preset."""

    name: Name


class Preset(NamedTuple):
    """A stored preset.

    Attributes:
        name: Its name.
        strategy: The strategy that it configures.
        params: Parameters as they were saved; omitted ones take the strategy's defaults when it is used.
        description: What it is for; may be empty.
        updated_at: When it was saved, UTC; None for a built-in one that was not changed.
    """

    name: str
    strategy: str
    params: dict[str, Any]
    description: str
    updated_at: datetime | None = None

    @property
    def built_in(self) -> bool:
        """Whether the platform provides a preset of this name, which deleting restores."""
        return self.name in BUILT_IN


BUILT_IN: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "aggressive",
            "volume_zone_breakout",
            {"volume_window": 10, "top_percentile": 0.3, "breakout_buffer": 0.0},
            "Breakouts of a wide volume zone over a short window: many signals.",
        ),
        Preset(
            "balanced",
            "volume_zone_breakout",
            {"volume_window": 20, "top_percentile": 0.2, "breakout_buffer": 0.0},
            "Breakouts of the volume zone with the usual window.",
        ),
        Preset(
            "conservative",
            "volume_long_candle",
            {"vol_ma_window": 20, "vol_multiplier": 1.5, "body_pct": 0.01},
            "Long candles on high volume: few signals.",
        ),
    )
}
"""Presets of the platform. A saved preset of the same name hides one of these until it is deleted."""


class PresetStore:
    """The presets in the database, and the built-in ones.

    Args:
        session: The database.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list_all(self) -> Sequence[Preset]:
        """Return all presets by name; raises DatabaseUnavailable."""
        presets = {**BUILT_IN, **{preset.name: preset for preset in self._rows(_LIST)}}
        return [presets[name] for name in sorted(presets)]

    def get(self, name: str) -> Preset:
        """Return a preset; raises PresetNotFound, or DatabaseUnavailable."""
        stored = self._rows(_GET, (name,)) if _NAME.fullmatch(name) else ()
        preset = stored[0] if stored else BUILT_IN.get(name)
        if preset is None:
            raise PresetNotFound(name, [known.name for known in self.list_all()])
        return preset

    def save(self, name: str, fields: PresetFields, strategies: StrategyRegistry) -> Preset:
        """Store a preset, in place of an earlier one of the same name.

        Args:
            name: A valid name.
            fields: Its content.
            strategies: The registered strategies.

        Raises:
            UnknownStrategy: The strategy is not registered.
            InvalidParams: The strategy rejects the parameters.
            DatabaseUnavailable: The server cannot be reached.
        """
        strategies.resolve(fields.strategy, fields.params)
        values = (name, fields.strategy, json.dumps(fields.params), fields.description)
        return self._rows(_SAVE, values)[0]

    def replace(self, name: str, fields: PresetFields, strategies: StrategyRegistry) -> Preset:
        """Change a preset that exists; otherwise like `save`.

        Raises:
            PresetNotFound: There is no such preset.
        """
        self.get(name)
        return self.save(name, fields, strategies)

    def rename(self, name: str, new_name: str) -> Preset:
        """Give a preset another name.

        Raises:
            PresetNotFound: There is no such preset.
            BuiltInPreset: The platform provides a preset of this name.
            PresetExists: Another preset has the new name.
            DatabaseUnavailable: The server cannot be reached.
        """
        preset = self.get(name)
        if preset.built_in:
            raise BuiltInPreset(name, "renamed")
        if name == new_name:
            return preset
        renamed = () if new_name in BUILT_IN else self._rows(_RENAME, {"old": name, "new": new_name})
        if not renamed:
            raise PresetExists(new_name)
        return renamed[0]

    def delete(self, name: str) -> None:
        """Delete a preset; if it hides a built-in one, that is restored.

        Raises:
            PresetNotFound: There is no such preset.
            BuiltInPreset: The preset is built in and was not changed.
            DatabaseUnavailable: The server cannot be reached.
        """
        if self.get(name).updated_at is None:
            raise BuiltInPreset(name, "deleted")
        self._rows(_DELETE, (name,))

    def _rows(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> Sequence[Preset]:
        def execute(cursor: Cursor) -> Sequence[Preset]:
            cursor.execute(statement, values)
            return [
                Preset(name, strategy, json.loads(params), description, updated_at)
                for name, strategy, params, description, updated_at in cursor.fetchall()
            ]

        return self._session.run(execute)


def parse_preset(fields: Mapping[str, Any]) -> PresetRequest:
    """Validate loose fields as a preset.

    Raises:
        InvalidSpec: Names each invalid field.
    """
    return parse_fields(PresetRequest, fields)
