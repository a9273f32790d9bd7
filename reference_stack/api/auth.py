"""What routes need to know of who is asking."""

from reference_stack.api.access import (
    AuthenticatedClinician,
    AuthenticatedToken,
    authenticate,
    authenticate_token,
)
from reference_stack.api.tokens import Clinician, Token, issue_token, read_token, utc_now

__all__ = [
    "AuthenticatedClinician",
    "AuthenticatedToken",
    "Clinician",
    "Token",
    "authenticate",
    "authenticate_token",
    "issue_token",
    "read_token",
    "utc_now",
]
