"""What went wrong with files of a checkpoint, in words that say what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from sortilin.errors import BackboneError
from sortilin.language_models import _place
from sortilin.language_models._place import Place

UNAUTHORIZED = (401, 403)
OF_DISK = (
    *(errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.ENOTDIR),
    *(errno.EPERM, errno.EROFS),
)


def absent(place: Place, lacking: Sequence[str]) -> str:
    """A checkpoint is not on this machine, or not whole."""
    what = " and ".join(lacking)
    if place.own_folder is not None:
        return f"{place.own_folder} is no whole backbone: it lacks {what}"
    where = place.folder or place.repository
    return (
        f"backbone {place.name} ({place.hub_id}) is not on this machine: missing {what}; looked in {where}; "
        f"{_way_out(place)}"
    )


def offline(place: Place) -> str:
    """A checkpoint cannot be fetched because connections are forbidden."""
    return f"cannot fetch {place.name}: HF_HUB_OFFLINE forbids connections; unset it, or: {_way_out(place)}"


def _way_out(place: Place) -> str:
    return (
        f"fetch it with: sortilin backbones fetch {place.name} (where there is a network; then copy the "
        f"folder {_place.cache()} here, or give a folder that holds its files as the backbone)"
    )


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Turns what huggingface_hub raises into a `BackboneError` that says what can be done."""
    from huggingface_hub import errors

    # Its errors of the network, and those of the HTTP library that it is built on.
    of_network = cast("type[Exception]", errors.HfHubHTTPError.__bases__[0])
    try:
        yield
    except BackboneError:
        raise
    except (OSError, ValueError, of_network) as error:
        raise BackboneError(f"cannot fetch {place.name} ({place.hub_id}): {_reason(error, place)}") from error


def _reason(error: Exception, place: Place) -> str:
    from huggingface_hub import errors

    reasons: tuple[tuple[type[Exception], str], ...] = (
        (errors.GatedRepoError, "its authors give access on request: ask on its page, then set HF_TOKEN"),
        (
            errors.RepositoryNotFoundError,
            "there is no such repository, or it is private: set HF_TOKEN to a token that may read it",
        ),
        (errors.RevisionNotFoundError, f"it has no revision '{place.revision}'"),
        (errors.RemoteEntryNotFoundError, f"a file that the hub lists is not there: {_first_line(error)}"),
        (errors.OfflineModeIsEnabled, "HF_HUB_OFFLINE was set when the program started"),
    )
    found = next((text for kind, text in reasons if isinstance(error, kind)), None)
    if found is None and isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        is_refused = status in UNAUTHORIZED
        remedy = "it refuses the token; check HF_TOKEN" if is_refused else "try again later"
        return f"the hub answers {status}; {remedy}"
    return found or _reason_of_system(error, place)


def _reason_of_system(error: Exception, place: Place) -> str:
    """What is no answer of the hub: the disk, or the way to the hub."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in OF_DISK:
            return f"{cause.filename or place.repository} cannot be written: {os.strerror(cause.errno)}"
    last = _first_line(_causes(error)[-1])
    return f"{last}; check the connection (HTTPS_PROXY and HF_ENDPOINT, if they are set) and try again"


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what led to it."""
    found = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None:
        found.append(cause)
    return found


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
