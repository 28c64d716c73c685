"""Answers to phones and apps: the one entrance to provisioning.

    /d/TOKEN/FILE        a device's files; the token alone says which device
    /app/prov            Cloud Softphone's first request, with a one-time code
    /app/TOKEN/SERVICE   Cloud Softphone's web services

A one-time token is answered with a configuration that leads to the permanent one. Whatever is
wrong with a request, its answer is the same 404, and the address is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.provisioning import acrobits, app_services, apps, vendors
from softswitch.provisioning.asking import Asked, ask, read_agent
from softswitch.provisioning.device import Device, Found, Kind
from softswitch.provisioning.device_secrets import digest_secrets
from softswitch.provisioning.devices import DeviceStore
from softswitch.provisioning.exchange import (
    BUSY,
    NOT_FOUND,
    Arrived,
    Effect,
    FirmwareFile,
    Outcome,
    Request,
    Response,
    Seen,
    Strike,
    Wanted,
    ok,
)
from softswitch.provisioning.guesses import Guesses
from softswitch.provisioning.phone_book import entries_of, phone_book
from softswitch.provisioning.settings import Profile, Settings, settings_of
from softswitch.provisioning.tokens import hash_of
from softswitch.provisioning.vendors import poly

MAX_TOKEN = 64
MAX_LOG_BYTES = 1_000_000
XML = "text/xml; charset=utf-8"
THE_PORTAL = Actor("portal:provisioning", "admin")
"""Hands over tokens, notes what was seen and counts guesses."""
_APP_TYPES = {"acrobits": "application/xml", "linphone": "application/xml", "zoiper": XML}

FirmwareOf = Callable[[Kind, str], str | None]
"""The name of the newest firmware file for a model; None: there is none."""


class Provisioning:
    """Answers requests of phones and apps.

    Args:
        realm: of digest authentication.
        fresh_token: makes a permanent token.
        firmware_of: see `FirmwareOf`.
    """

    def __init__(
        self,
        store: DeviceStore,
        profile: Profile,
        *,
        realm: str,
        fresh_token: Callable[[], str],
        firmware_of: FirmwareOf,
    ) -> None:
        self._store = store
        self._profile = profile
        self._realm = realm
        self._fresh_token = fresh_token
        self._firmware_of = firmware_of
        self._guesses = Guesses()

    def answer(self, request: Request) -> Outcome:
        """The answer to a request, or what has to be done before it is known."""
        if not request.secure or self._guesses.barred(request.peer, request.now_ms):
            return NOT_FOUND
        match request.path.split("/", 3)[1:]:
            case ["d", token, file]:
                return self._device(request, token, file)
            case ["d", token]:
                return self._device(request, token, "")
            case ["app", "prov"]:
                return self._device(request, request.query.get("cloud_username", ""), "")
            case ["app", token, service]:
                return self._app_service(request, token, service)
            case _:
                return self._guess(request)

    def _guess(self, request: Request) -> Response:
        """The answer to what no device of ours asks; the address is counted."""
        self._guesses.note(request.peer, request.now_ms)
        return Response(
            NOT_FOUND.status, NOT_FOUND.headers, NOT_FOUND.body, (Strike(request.peer),)
        )

    def _found(self, request: Request, token: str) -> Found | None:
        return self._store.find(hash_of(token[:MAX_TOKEN]), request.now_ms)

    def _device(self, request: Request, token: str, file: str) -> Outcome:
        found = self._found(request, token)
        if found is None:
            return self._guess(request)
        device = found.device
        asked = ask(device.kind, request.method, file, _agent(request), request.query.get("mac"))
        if not self._is_itself(request, device, asked):
            return self._guess(request)
        effects = _effects(request, found, token)
        match asked.what:
            case "configuration":
                return self._configuration(request, found, token, asked, effects)
            case "nothing":
                return Response(404, NOT_FOUND.headers, NOT_FOUND.body, effects)
            case "master":
                return ok(XML, poly.master(self._firmware_url(device, token)), effects)
            case "upload":
                # Phones send their logs again and again until they are taken.
                return ok("text/plain; charset=utf-8", b"", effects)
            case "phone_book":
                entries = entries_of(self._store.colleagues(device.account_id))
                title = self._profile.title or self._profile.domain
                return ok(XML, phone_book(device.kind, title, entries), effects)
            case "firmware":
                model = device.model or _model(request) or "unknown"
                return FirmwareFile(f"{device.kind}/{model}/{asked.name}", effects)
        assert_never(asked.what)

    def _is_itself(self, request: Request, device: Device, asked: Asked) -> bool:
        """True if nothing that the request shows is another phone's: each MAC is the device's, and
        so is the certificate of its factory, if one is needed."""
        if not device.is_phone:
            return True
        if len(asked.macs) > 1 or (device.mac is not None and asked.macs - {device.mac}):
            return False
        if self._profile.needs_certificate:
            mac = device.mac or next(iter(asked.macs), None)
            names = (name.lower().replace(":", "") for name in request.certificate_names or ())
            return mac is not None and any(mac in name for name in names)
        return True

    def _configuration(
        self,
        request: Request,
        found: Found,
        token: str,
        asked: Asked,
        effects: tuple[Effect, ...],
    ) -> Outcome:
        device = found.device
        if device.is_phone and not asked.macs:
            return Response(404, NOT_FOUND.headers, NOT_FOUND.body, effects)
        if found.presented == "enrolment" or (found.presented == "permanent" and device.rotating):
            return self._hand_over(request, found, token, asked, effects)
        settings = self._settings(found, token, _model(request))
        return NOT_FOUND if settings is None else _written(device.kind, settings, effects)

    def _hand_over(
        self,
        request: Request,
        found: Found,
        token: str,
        asked: Asked,
        effects: tuple[Effect, ...],
    ) -> Outcome:
        """A configuration that leads to a new permanent URL, once the token is noted."""
        following, device = self._fresh_token(), found.device
        settings = self._settings(found, following, _model(request))
        if settings is None:
            return NOT_FOUND
        usernames = [line.username for line in device.lines]
        response = _written(device.kind, settings, effects)

        def refused(error: OperationError) -> Response:
            return NOT_FOUND if error.code == "device_token_spent" else BUSY

        return Wanted(
            THE_PORTAL,
            "device_hand_over",
            {
                "device": device.id,
                "presented": hash_of(token[:MAX_TOKEN]),
                "mac": next(iter(asked.macs), None) if device.is_phone else None,
                "token_hash": hash_of(following),
                "secrets": digest_secrets(following, usernames, self._realm),
            },
            lambda _: response,
            refused,
        )

    def _settings(self, found: Found, token: str, model: str) -> Settings | None:
        """The settings of a device; None if its lines are gone."""
        firmware = self._firmware_of(found.device.kind, found.device.model or model)
        settings = settings_of(self._profile, found.device, found.holders, token, firmware)
        return settings if settings.accounts else None

    def _firmware_url(self, device: Device, token: str) -> str | None:
        name = self._firmware_of(device.kind, device.model)
        return None if name is None else f"{self._profile.url}/d/{token}/firmware/{name}"

    def _app_service(self, request: Request, token: str, service: str) -> Outcome:
        found = self._found(request, token)
        if found is None or found.device.is_phone or found.presented == "enrolment":
            return self._guess(request)
        device = found.device
        holder = next(iter(found.holders.values()), None)
        if holder is None:
            return NOT_FOUND
        effects = _effects(request, found, token)
        asked = app_services.AppRequest(device, holder, self._profile.currency, request.peer)
        return app_services.serve(service, asked, request, effects)


def _written(kind: Kind, settings: Settings, effects: tuple[Effect, ...]) -> Response:
    """A configuration in the format of its vendor or app."""
    match kind:
        case "acrobits":
            return ok(_APP_TYPES[kind], acrobits.account_xml(settings), effects)
        case "linphone":
            return ok(_APP_TYPES[kind], apps.linphone(settings), effects)
        case "zoiper":
            return ok(_APP_TYPES[kind], apps.zoiper(settings), effects)
        case "other":
            return NOT_FOUND
        case _:
            media_type, body = vendors.configuration(kind, settings)
            return ok(media_type, body, effects)


def _effects(request: Request, found: Found, token: str) -> tuple[Effect, ...]:
    seen = Seen(found.device.id, request.now_ms, request.peer, _agent(request)[:256])
    if found.presented == "next":
        return (seen, Arrived(found.device.id, hash_of(token[:MAX_TOKEN])))
    return (seen,)


def _agent(request: Request) -> str:
    return _header(request.headers, "user-agent")


def _header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "")


def _model(request: Request) -> str:
    agent = read_agent(_agent(request))
    return "" if agent is None else agent.model
