"""Every error a caller can meet, one class and one stable code each.

`code` never changes once published; `status` is the HTTP status that the services answer with. The first
argument is a sentence for a person that says what to do; it carries no phone, name, token, visit id or time.
`docs/errors.md` lists all of them (a test holds the two against each other).
"""

from __future__ import annotations

from math import ceil
from typing import ClassVar


class CheckinError(Exception):
    """Root of the tree; never raised itself."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    default: ClassVar[str] = "The request could not be carried out."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.default)
        self.detail = detail or self.default


# --- at the door: the checks of docs/spec/presentation.md, in their order ---------------------------------


class TokenError(CheckinError):
    """A code that is refused at the door; each refusal is final."""

    status = 422


class TokenMalformed(TokenError):
    code = "token_malformed"
    default = "This is not a check-in code."


class TokenNotYetValid(TokenError):
    code = "token_not_yet_valid"
    default = "The code is from the future: check the clocks of the phone and of the scanner."


class TokenExpired(TokenError):
    code = "token_expired"
    default = "The code has expired: ask for a new one."


class WrongDay(TokenError):
    code = "wrong_day"
    default = "The code belongs to another day."


class UnknownIssuerKey(TokenError):
    code = "unknown_issuer_key"
    default = "No trusted issuer listed the key of this code for its day."


class BadSignature(TokenError):
    code = "bad_signature"
    default = "The signature does not verify."


class BadStatus(TokenError):
    code = "bad_status"
    default = "The status shown is not the one that was committed to."


class StatusRequired(TokenError):
    code = "status_required"
    default = "This venue asks for a status that the code does not show."


class AlreadyUsed(TokenError):
    code = "already_used"
    status = 409
    default = "This code was used before."


class PictureUnreadable(CheckinError):
    code = "picture_unreadable"
    status = 422
    default = "No QR code was found in the picture: hold the camera closer, straighter, or in better light."


class HolderKeyInvalid(CheckinError):
    code = "holder_key_invalid"
    status = 422
    default = "A holder key is not a canonical Ed25519 public key of prime order."


# --- uploads ----------------------------------------------------------------------------------------------


class StatusDisclosed(CheckinError):
    code = "status_disclosed"
    status = 422
    default = "The code still shows a status: a scanner strips it before it uploads."


class EntryUnreadable(CheckinError):
    code = "entry_unreadable"
    status = 422
    default = "The entry does not open under the intake key of its day."


class EnrolmentMalformed(CheckinError):
    code = "enrolment_malformed"
    status = 422
    default = "This is not an operator's code for a scanner."


class ScanTimeInvalid(CheckinError):
    code = "scan_time_invalid"
    status = 422
    default = "The time of scan lies outside the window of the code."


class ScanTooOld(CheckinError):
    code = "scan_too_old"
    status = 422
    default = "The scan is more than 72 hours old."


class DayClosed(CheckinError):
    code = "day_closed"
    status = 409
    default = "The day takes no more uploads."


class DayDestroyed(CheckinError):
    code = "day_destroyed"
    status = 410
    default = "The keys of this day have been destroyed: it takes and gives nothing any more."


class ClockWrong(CheckinError):
    code = "clock_wrong"
    status = 503
    default = "The clock of this machine is not that of its registry: set it, or connect the scanner to its registry."


class ScannerStale(CheckinError):
    code = "scanner_stale"
    status = 503
    default = "The scanner has had no outside time for 24 hours: connect it to its registry."


# --- keys, seals, notes -----------------------------------------------------------------------------------


class SealBroken(CheckinError):
    code = "seal_broken"
    status = 422
    default = "The sealed bytes do not open under this key in this context."


class ClosingBroken(CheckinError):
    code = "closing_broken"
    status = 409
    default = "The rows of the day are not those it was closed with."


class KeyMissing(CheckinError):
    code = "key_missing"
    status = 503
    default = "There is no such key in the ring."


class KeyExists(CheckinError):
    code = "key_exists"
    status = 409
    default = "The key exists already: a name gets one key."


class KeyDestroyed(CheckinError):
    code = "key_destroyed"
    status = 410
    default = "The key has been destroyed."


class StorageUnfit(CheckinError):
    code = "storage_unfit"
    status = 500
    default = "This file system does not overwrite in place, so a destroyed key could be recovered."


class NoteMalformed(CheckinError):
    code = "note_malformed"
    default = "The text is not a signed note in canonical form."


class NoteUntrusted(CheckinError):
    code = "note_untrusted"
    status = 403
    default = "The note does not carry the signatures it needs."


class ProofInvalid(CheckinError):
    code = "proof_invalid"
    status = 422
    default = "The proof does not lead to the root of the log."


class LogConflict(CheckinError):
    code = "log_conflict"
    status = 409
    default = "The log is not at the size or root that this step starts from: read its newest checkpoint."

    def __init__(self, detail: str | None = None, size: int | None = None) -> None:
        """`size`: how many entries the answering side has seen, where that is what differs."""
        super().__init__(detail)
        self.size = size


class LogBehind(CheckinError):
    code = "log_behind"
    status = 503
    default = "The log is older than what it has signed: nothing is signed until its newest data are put back."


class ListRefused(CheckinError):
    code = "list_refused"
    status = 409
    default = "The list contradicts an earlier one: the first list for a day is final."


class SharesInvalid(CheckinError):
    code = "shares_invalid"
    default = "The officers' shares do not join to the ring key."


# --- vaccination proofs: the steps of docs/spec/certificate.md, in their order ------------------------------


class CertificateError(CheckinError):
    """A health certificate that does not prove a status; `code` names the first step that failed."""

    status = 422


class CertificatePrefix(CertificateError):
    code = "certificate_prefix"
    default = "This is not a health certificate that is accepted here: an EU certificate starts with HC1:."


class CertificateBase45(CertificateError):
    code = "certificate_base45"
    default = "The certificate was not read completely: scan its code again."


class CertificateCompression(CertificateError):
    code = "certificate_compression"
    default = "The certificate does not unpack: scan its code again."


class CertificateCose(CertificateError):
    code = "certificate_cose"
    default = "The certificate is not a signed health certificate."


class CertificateSchema(CertificateError):
    code = "certificate_schema"
    default = "The certificate's content does not have the prescribed form: ask its issuer for a new one."


class CertificateSignature(CertificateError):
    code = "certificate_signature"
    default = "No signer on the trust list signed this certificate."


class CertificateKeyUsage(CertificateError):
    code = "certificate_key_usage"
    default = "The signer is not allowed to sign certificates of this kind."


class CertificateExpiry(CertificateError):
    code = "certificate_expiry"
    default = "The certificate is not valid now: ask its issuer for a new one."


class CertificateNoStatus(CertificateError):
    code = "certificate_no_status"
    default = "The certificate is genuine but proves no status: a dose is missing, or the test was not negative."


class CertificateOutdated(CertificateError):
    code = "certificate_outdated"
    default = "The certificate is genuine, but what it proves no longer holds: show a newer one."


class CertificateNotTaken(CheckinError):
    code = "certificate_not_taken"
    status = 404
    default = "This issuer takes no vaccination proofs: its settings name no trust list."


class TrustListInvalid(CheckinError):
    code = "trust_list_invalid"
    status = 500
    default = "The trust list holds something else than signer certificates as PEM or base64 DER."


# --- orders of the authority: the steps of docs/spec/order.md, in their order --------------------------------


class OrderError(CheckinError):
    """A part of an order that a service does not execute; it is recorded and counted, and reads the same each time."""

    status = 403


class OrderUntrusted(OrderError):
    code = "order_untrusted"
    default = "The part is malformed, or does not carry the signatures of enough officers of the pinned authority."


class OrderWrongAudience(OrderError):
    code = "order_wrong_audience"
    default = "The part is addressed to another service."


class OrderExpired(OrderError):
    code = "order_expired"
    default = "The order has expired: the officers have to sign another one."


class OrderNotLogged(OrderError):
    code = "order_not_logged"
    default = "The part is not proved to be in the pinned log, under a checkpoint that its witnesses cosigned."


class OrderScope(OrderError):
    code = "order_scope"
    status = 422
    default = "What is asked for is more than the part allows, or than any order may allow."


class OrderTooLarge(OrderError):
    code = "order_too_large"
    status = 422
    default = "The answer would have more rows than the part allows: nothing of it is given."


class OrderReused(OrderError):
    code = "order_reused"
    status = 409
    default = "The part was executed for another list already: a part is for one question."


# --- clock and retention ----------------------------------------------------------------------------------


class ClockUntrusted(CheckinError):
    code = "clock_untrusted"
    status = 503
    default = "The clock is not to be trusted: compare it, then run `checkin purge run --confirm-clock`."


class SimulationRefused(CheckinError):
    code = "simulation_refused"
    default = "A folder is either real or simulated, once and for all."


# --- the issuer -------------------------------------------------------------------------------------------


class NameInvalid(CheckinError):
    code = "name_invalid"
    status = 422
    default = "A name has 1 to 60 characters, a letter among them, nothing invisible, and does not begin with = + - @."


class PhoneInvalid(CheckinError):
    code = "phone_invalid"
    status = 422
    default = "This is no phone number that can be reached: write it with its country, like +82 10 1234 5678."


class PhoneNotMobile(PhoneInvalid):
    code = "phone_not_mobile"
    default = "Codes go to mobile phones, and this is a landline or a virtual number: give a mobile number."


class PhoneCountry(PhoneInvalid):
    code = "phone_country"
    default = "This issuer sends no codes to the country of this phone: register a mobile number of another one."


class CodeWrong(CheckinError):
    code = "code_wrong"
    status = 403
    default = "The code is not the one that was sent, was used or tried too often, or has expired: ask for a new one."


class RecoveryWrong(CheckinError):
    code = "recovery_wrong"
    status = 403
    default = "This recovery code is not that of an account with this phone: check it, or go on without it, newly."


class DayNotIssued(CheckinError):
    code = "day_not_issued"
    status = 422
    default = "Credentials are issued for today and for tomorrow only."


class QuotaUsed(CheckinError):
    code = "quota_used"
    status = 409
    default = "All batches of this day have been issued to this wallet: use what it holds."


class NotAcceptable(CheckinError):
    code = "not_acceptable"
    status = 406
    default = "The route answers as application/json, image/png or image/svg+xml: ask for one of them."


# --- services ---------------------------------------------------------------------------------------------


class RequestInvalid(CheckinError):
    code = "invalid_request"
    status = 422
    default = "The request does not have the documented form."


class RequestTooLarge(CheckinError):
    code = "request_too_large"
    status = 413
    default = "The request body is larger than this route takes."


class MediaTypeUnsupported(CheckinError):
    code = "media_type_unsupported"
    status = 415
    default = "The body is application/json, without a content coding."


class Unauthorized(CheckinError):
    code = "unauthorized"
    status = 401
    default = "A bearer token is needed; the one sent, if any, is not known."


class Forbidden(CheckinError):
    code = "forbidden"
    status = 403
    default = "This token does not open this route."


class NotFound(CheckinError):
    code = "not_found"
    status = 404
    default = "There is nothing here."


class MethodNotAllowed(CheckinError):
    code = "method_not_allowed"
    status = 405
    default = "The route does not take this method."


class TooManyRequests(CheckinError):
    code = "too_many_requests"
    status = 429
    default = "Too many requests: wait, then try again."

    def __init__(self, detail: str | None = None, seconds: float = 60.0) -> None:
        super().__init__(detail)
        self.wait = max(1, ceil(seconds))
        """Whole seconds until it may go."""


class NotReady(CheckinError):
    code = "not_ready"
    status = 503
    default = "The service cannot do this now: see /readyz."


class DatabaseUnusable(NotReady):
    code = "database_unusable"
    default = "A database does not open: look at its file and its disk."


class JournalDamaged(NotReady):
    code = "journal_damaged"
    default = "The journal of what ended is damaged: look at the disk of `keys`."


class Unreachable(CheckinError):
    code = "unreachable"
    status = 503
    default = "The service did not answer: check its address and that it runs."


class ServiceError(CheckinError):
    code = "service_error"
    status = 502
    default = "The service answered with an error that this version does not know."


class SettingsInvalid(CheckinError):
    code = "settings_invalid"
    default = "The settings file is not valid."


class FormatUnsupported(CheckinError):
    code = "format_unsupported"
    default = "The folder or file was written by another version of this program: see docs/upgrading.md."


class AddressTaken(CheckinError):
    code = "address_taken"
    status = 503
    default = "The address is in use: stop what listens there, or choose another port."


class FolderInUse(CheckinError):
    code = "folder_in_use"
    status = 503
    default = "Another process runs this folder: end it, or choose another folder."


class BackupInvalid(CheckinError):
    code = "backup_invalid"
    default = "The archive is no whole backup of this service: nothing was put back. Take another one."


class FileTrouble(CheckinError):
    code = "file_trouble"
    default = "A file could not be read or written."


class InternalError(CheckinError):
    code = "internal_error"
    status = 500
    default = "Something went wrong on our side; nothing was recorded."
