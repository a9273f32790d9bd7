"""Vital signs: taken at the bedside as one set, kept as FHIR Observations; insights from them."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

import numpy as np
import orjson
from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field, model_validator
from starlette.responses import Response

from reference_stack.api.clinical_rows import columns
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.early_warning import NEEDED, YOUNGEST_YEARS, news2
from reference_stack.api.idempotency import StoredAnswer, WriteDependency
from reference_stack.api.models import Document
from reference_stack.api.problems import INVALID_REQUEST, PATIENT_NOT_FOUND, ProblemError
from reference_stack.api.rows import references_checked
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.api.tokens import utc_now
from reference_stack.api.trends import anomalies, trend
from reference_stack.fhir.codes import BY_CODE, BY_NAME, VITAL_SIGNS, Consciousness, VitalSignName
from reference_stack.fhir.resources import (
    MEDIA_TYPE,
    Observation,
    collection,
    observation_resource,
)

router = APIRouter()

#: Devices' clocks may run ahead of the server's by so much.
AHEAD: Final = timedelta(minutes=5)
#: No patient is older; times near the year 1 overflow in other zones.
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
#: The score counts a sign until it is this old: NEWS2's longest interval between two rounds.
FRESH: Final = timedelta(hours=12)
MOST_READINGS: Final = 4000
NOTICE: Final = (
    "Computed from the recorded vital signs (NEWS2, Theil–Sen slopes). Not a medical device and no "
    "diagnosis: the clinician decides."
)

INSERT: Final = f"""
INSERT INTO observation ({columns(Observation)}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""  # noqa: S608 - names of this program
SELECT_WINDOW: Final = f"""
SELECT {columns(Observation)} FROM observation
WHERE patient_id = %s AND effective_at >= %s ORDER BY effective_at DESC, id DESC LIMIT %s
"""  # noqa: S608
SELECT_BIRTH: Final = "SELECT birth_date FROM patient WHERE id = %s"


def _measured(name: str) -> Any:
    sign = BY_NAME[name]
    return Field(default=None, ge=sign.lowest, le=sign.highest, description=sign.unit)


class VitalSignsRequest(Document):
    """One set, taken at one time; at least one sign. Units are UCUM's, see the descriptions."""

    effective_at: AwareDatetime
    respiratory_rate: float | None = _measured("respiratory_rate")
    oxygen_saturation: float | None = _measured("oxygen_saturation")
    inhaled_oxygen: float | None = _measured("inhaled_oxygen")
    systolic_pressure: float | None = _measured("systolic_pressure")
    diastolic_pressure: float | None = _measured("diastolic_pressure")
    heart_rate: float | None = _measured("heart_rate")
    temperature: float | None = _measured("temperature")
    consciousness: Consciousness | None = None

    @model_validator(mode="after")
    def _something_measured(self) -> "VitalSignsRequest":
        if all(getattr(self, sign.name) is None for sign in VITAL_SIGNS):
            raise ValueError("at least one vital sign is needed")
        return self


class SignInsight(Document):
    """One sign in the window: its latest value, which way it goes, and what does not fit.

    Slopes are per hour, with a 95 % interval; null with fewer than five readings.
    """

    sign: VitalSignName
    display: str
    unit: str
    readings: int
    latest: float
    latest_at: datetime
    slope_per_h: float | None
    slope_lower_per_h: float | None
    slope_upper_per_h: float | None
    direction: Literal["rising", "falling", "steady", "unknown"]
    anomalous_at: list[datetime]


class Insights(Document):
    """``early_warning_score`` is NEWS2; null while a sign of ``missing`` is not fresh."""

    patient_id: UUID
    window_h: int
    early_warning_score: int | None
    risk: Literal["low", "low-medium", "medium", "high"] | None
    parts: dict[str, int]
    missing: list[str]
    signs: list[SignInsight]
    notice: str


@router.post(
    "/v1/patients/{patient_id}/vital-signs",
    status_code=201,
    response_class=Response,
    responses={201: {"content": {MEDIA_TYPE: {}}, "description": "a Bundle of Observations"}},
)
async def record(
    patient_id: UUID,
    signs: VitalSignsRequest,
    write: WriteDependency,
) -> Response:
    """Store one set of vital signs; the answer is a Bundle of the Observations it became."""
    if not EARLIEST <= signs.effective_at <= utc_now() + AHEAD:
        raise ProblemError(INVALID_REQUEST, f"effective_at: allowed is {EARLIEST:%Y} until now")

    async def store(connection: FailoverConnection) -> StoredAnswer:
        made = observations(signs, patient_id, write.clinician.id)
        with references_checked(patient_id):
            cursor = connection.cursor()
            await cursor.executemany(
                INSERT.encode(),
                [
                    (
                        *(one.id, one.patient_id, one.performer_id, one.code),
                        *(one.value, one.unit, one.value_code, one.effective_at),
                    )
                    for one in made
                ],
            )
        bundle = collection(
            [observation_resource(one) for one in made], base_url=f"{write.request.base_url}v1/fhir"
        )
        return StoredAnswer(orjson.dumps(bundle), 201, MEDIA_TYPE)

    content = signs.model_dump_json().encode()
    return await write.once(store, content=content)


def observations(
    signs: VitalSignsRequest, patient_id: UUID, performer_id: UUID
) -> list[Observation]:
    """One Observation a sign that was taken."""
    made = []
    for sign in VITAL_SIGNS:
        value = getattr(signs, sign.name)
        if value is None:
            continue
        is_word = isinstance(value, str)
        made.append(
            Observation(
                id=uuid4(),
                patient_id=patient_id,
                performer_id=performer_id,
                code=sign.code,
                value=None if is_word else value,
                unit=None if is_word else sign.unit,
                value_code=value if is_word else None,
                effective_at=signs.effective_at,
            )
        )
    return made


@dataclass(frozen=True)
class _Window:
    birth_date: date
    readings: list[Observation]


@router.get("/v1/patients/{patient_id}/insights")
async def insights(
    patient_id: UUID,
    services: ServicesDependency,
    window_h: Annotated[int, Query(ge=1, le=24 * 14)] = 48,
) -> Insights:
    """Early warning score, trends and readings that do not fit, over the last hours."""
    now = utc_now()
    window = await _read_window(services, patient_id, now - timedelta(hours=window_h))
    # Slopes of all pairs of readings: tens of milliseconds that others need not wait for.
    return await asyncio.to_thread(
        insights_of, patient_id, window.readings, window.birth_date, now, window_h
    )


async def _read_window(services: Services, patient_id: UUID, since: datetime) -> _Window:
    async def find(connection: FailoverConnection) -> _Window:
        birth = await (await connection.execute(SELECT_BIRTH, (patient_id,))).fetchone()
        if birth is None:
            raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}")
        cursor = await connection.execute(
            SELECT_WINDOW.encode(), (patient_id, since, MOST_READINGS)
        )
        return _Window(birth[0], [Observation(*row) for row in await cursor.fetchall()])

    return await services.database.read(find)


def insights_of(
    patient_id: UUID, readings: list[Observation], birth_date: date, now: datetime, window_h: int
) -> Insights:
    """Insights from readings, the latest first."""
    latest: dict[str, float | str] = {}
    by_code: dict[str, list[Observation]] = {}
    for one in readings:
        sign = BY_CODE.get(one.code)
        if sign is None:
            continue
        by_code.setdefault(one.code, []).append(one)
        value = one.value if one.value is not None else one.value_code
        if now - one.effective_at <= FRESH and value is not None:
            latest.setdefault(sign.name, value)
    is_of_age = (now.date() - birth_date).days >= YOUNGEST_YEARS * 365.25
    warning = news2(latest) if is_of_age else None
    missing = [name for name in NEEDED if name not in latest]
    return Insights(
        patient_id=patient_id,
        window_h=window_h,
        early_warning_score=warning.score if warning else None,
        risk=warning.risk if warning else None,
        parts=warning.parts if warning else {},
        missing=missing if is_of_age else [f"NEWS2 is for {YOUNGEST_YEARS} years and older"],
        signs=[
            _sign_insight(by_code[sign.code])
            for sign in VITAL_SIGNS
            if sign.unit and sign.code in by_code
        ],
        notice=NOTICE,
    )


def _sign_insight(latest_first: list[Observation]) -> SignInsight:
    readings = [one for one in reversed(latest_first) if one.value is not None]
    sign = BY_CODE[readings[-1].code]
    start = readings[0].effective_at
    hours = np.array([(one.effective_at - start).total_seconds() / 3600 for one in readings])
    values = np.array([one.value for one in readings], dtype=np.float64)
    went = trend(hours, values)
    odd = anomalies(values)
    return SignInsight(
        sign=sign.name,
        display=sign.portuguese,
        unit=sign.unit,
        readings=len(readings),
        latest=float(values[-1]),
        latest_at=readings[-1].effective_at.astimezone(UTC),
        slope_per_h=went.slope_per_h,
        slope_lower_per_h=went.lower_per_h,
        slope_upper_per_h=went.upper_per_h,
        direction=went.direction,
        anomalous_at=[
            one.effective_at.astimezone(UTC)
            for one, is_odd in zip(readings, odd, strict=True)
            if is_odd
        ],
    )
