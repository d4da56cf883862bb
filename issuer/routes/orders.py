"""POST /v1/orders: what the health authority asks."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from checkin import errors
from checkin.service.describe import problem_answers
from checkin.service.order_executor import OrderBody, SealedAnswer
from issuer.routes.common import BODY, PINNED, Served, authority

ORDERS = "/v1/orders"
_REFUSALS = (
    errors.OrderUntrusted,
    errors.OrderWrongAudience,
    errors.OrderExpired,
    errors.OrderNotLogged,
    errors.OrderScope,
    errors.OrderTooLarge,
    errors.OrderReused,
    errors.DayDestroyed,
    errors.ClockUntrusted,
)
router = APIRouter(tags=["authority"])


@router.post(ORDERS, dependencies=[Depends(authority)], responses=problem_answers(*_REFUSALS, *PINNED, *BODY))
def order(body: OrderBody, issuer: Served) -> SealedAnswer:
    """Execute a part of an order that enough officers signed and that the log shows (docs/spec/order.md).

    The answer is signed by this issuer and sealed to the order's answer key. The same part again has the identical
    answer until it expires; everything else is refused, counted, and stated in the log. Whoever is identified gets
    a notice with a later batch.
    """
    return issuer.orders.take(body)
