"""Floor 6: the only place that constructs things. Settings in, a Gate out; nothing finds its dependencies by itself."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.core.clocks import ClockStart, NodeClock
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.model import Address, PartyId
from gateway.core.os_words import system_reason
from gateway.core.parties import Parties, Party, Receives, Role, SigningCertificate
from gateway.core.problems import Problem, Stopped
from gateway.core.stored_files import FileRules
from gateway.services import profiles
from gateway.settings import (
    CONFIG_NAME,
    DeadlineHours,
    Settings,
    key_password,
    node_secret,
)
from gateway.store import Store
from gateway.store.archives import Archives

if TYPE_CHECKING:  # imported where they are used: a command that only looks into the database loads no XML and no keys
    from connectors.proxying import EgressProxy
    from connectors.scanning import FileScanner
    from gateway.core.deadlines import DeadlineRules
    from gateway.services.archiving import ArchiveKeeper
    from gateway.services.certificate_status import Sources
    from gateway.services.file_desk import FileDesk
    from gateway.services.inquiries import Inquirer
    from gateway.services.intake import Gate
    from gateway.services.publishing import InForce
    from gateway.services.replies import Clerk, Persons
    from gateway.store import CertificateRecord as StoredStatus
    from gateway.store import PartyVersion
    from gateway.store.filefolder import FileFolder
    from schemas.catalog import Catalog
    from signing.certificates import Certificate
    from signing.sign import SigningKey
    from signing.trust import CertificateStatus, TrustTree, TrustView

OURSELVES = PartyId("gateway")

# A node that takes over a registry, and a command after the other in one process, ask the same of the same files within
# moments; a verdict costs ten milliseconds, a registry has hundreds of them.
AS_NEW: Final = timedelta(minutes=1)
JUDGED: Final = 4096
_judged: dict[tuple[object, ...], CertificateStatus] = {}

log = logging.getLogger("lienthong.wiring")


def build(settings: Settings, store: Store | None = None, parties: Parties | None = None) -> Gate:
    """Everything a judgement needs, for this node.

    With a store: the registry applied there, and what is known of certificates. Without one (`lienthong check`): the
    registry of the profile files, and certificates judged by the revocation lists among the settings. Raises Stopped
    with every SYS problem of files that cannot be used.
    """
    from gateway.core.known_services import KnownServices
    from gateway.core.service_rules import ServiceDesk
    from gateway.services.intake import Gate, GatewayIdentity
    from gateway.services.publishing import in_force
    from schemas.catalog import bundled

    trees = load_trees(settings)
    key = load_key(settings)
    if parties is None:
        parties = registry_of(store) if store is not None else registry_in_files(settings)
    parties = with_ourselves(parties, settings, key)
    rules = settings.rules
    on_record = None if store is None else in_force(store, _today())
    if on_record is not None:
        parties = _with_catalogues(parties, parties.version, on_record)
        rules = replace(rules, procedures=rules.procedures or on_record.procedures)
    deadlines = deadline_rules(settings)
    return Gate(
        catalog=bundled(settings.schemas.declarations, rules=rules),
        trust=trust_of(parties, trees, settings, store),
        parties=parties,
        key=key,
        identity=GatewayIdentity(
            ma_dinh_danh=settings.node.identifier, ten_co_quan=settings.node.name, he_thong=settings.node.system
        ),
        limits=settings.limits,
        store=store,
        hold_for=timedelta(hours=settings.work.hold_for_h),
        files=file_rules(settings),
        deadlines=deadlines,
        services=ServiceDesk(
            known=KnownServices() if on_record is None else on_record.services,
            calendar=deadlines.calendar,
            severity=rules.severity,
        ),
    )


def _with_catalogues(parties: Iterable[Party], version: int, on_record: InForce) -> Parties:
    """The registry with what the catalogue of agencies says of identifiers and of dossier codes."""
    return Parties(parties, version, same=on_record.same, same_as_of=on_record.as_of, shapes=on_record.shapes)


def registry_looked_at(settings: Settings, store: Store) -> tuple[Parties, TrustView]:
    """Registry and trust for whoever only looks: no key is opened for it. Raises Stopped as :func:`build`."""
    parties = with_ourselves(registry_of(store), settings, None)
    return parties, trust_of(parties, load_trees(settings), settings, store)


def renewed(gate: Gate, settings: Settings) -> Gate | None:
    """The gate with the newest registry, catalogues, declarations and certificate verdicts; None when nothing is newer.

    For processes that go on for long: the new view takes the old one's place as a whole, between trays. A few small reads,
    and a look at the folder of the declarations.
    """
    from gateway.services.publishing import in_force

    if gate.store is None:
        return None
    with gate.store.read() as view:
        registry, statuses = view.parties_version(), view.statuses_version()
    on_record = in_force(gate.store, _today(), gate.parties.same_as_of)
    catalog, refused = _redeclared(gate, settings)
    known = (gate.parties.version, gate.trust.version, gate.catalog, gate.refused)
    if on_record is None and (registry, statuses, catalog, refused) == known:
        return None
    parties, trust = gate.parties, gate.trust
    if registry != parties.version or on_record is not None:
        fresh = parties if registry == parties.version else with_ourselves(registry_of(gate.store), settings, gate.key)
        if on_record is not None:
            parties = _with_catalogues(fresh, registry, on_record)
        else:
            parties = Parties(fresh, registry, same=parties.same, same_as_of=parties.same_as_of, shapes=parties.shapes)
    if registry != gate.parties.version or statuses != gate.trust.version:
        trust = trust_of(parties, gate.trust.trees.values(), settings, gate.store)
    if on_record is not None and not settings.rules.procedures and on_record.procedures != catalog.rules.procedures:
        catalog = catalog.replace(rules=replace(catalog.rules, procedures=on_record.procedures))
    services = gate.services if on_record is None else replace(gate.services, known=on_record.services)
    return replace(gate, parties=parties, trust=trust, catalog=catalog, services=services, refused=refused)


def _redeclared(gate: Gate, settings: Settings) -> tuple[Catalog, str]:
    """The catalogue with the declarations that are in their folder now, and the folder that was refused, if it was.

    A folder with a file that is no good is told of once, and changes nothing: what was in force stays so.
    """
    from schemas.declarations import fingerprint

    folder = settings.schemas.declarations
    if folder is None:
        return gate.catalog, ""
    found = fingerprint(folder)
    if found == gate.refused:
        return gate.catalog, gate.refused
    try:
        newer = gate.catalog.reloaded(folder)
    except Stopped as stop:
        told = [f"{problem.code} {problem.facts.get('file', '–')}" for problem in stop.problems]
        log.warning("the declarations are no good; those before stay in force", extra={"problems": told})
        return gate.catalog, found
    if newer is not None:
        log.info("new declarations are in force", extra={"count": len(newer.declarations)})
    return newer or gate.catalog, ""


def _today() -> date:
    return datetime.now(GIO_VIET_NAM).date()


def clerk(gate: Gate, persons: Persons) -> Clerk:
    """Who answers the queries addressed to the gateway, with what is remembered of filings. Needs a database and a key."""
    from gateway.services import intake, publishing
    from gateway.services.replies import Clerk

    store, key = gate.store, gate.key
    if store is None or key is None:
        raise ValueError("answering needs a database and a signing key")
    return Clerk(
        store=store,
        parties=gate.parties,
        ourselves=OURSELVES,
        address=Address(
            ma_dinh_danh=gate.identity.ma_dinh_danh,
            ten_co_quan=gate.identity.ten_co_quan,
            he_thong=gate.identity.he_thong,
        ),
        key=key,
        judge=lambda envelope: intake.judge(envelope, gate),
        enter=lambda envelope: intake.receive([envelope], gate, envelope.received_at)[0],
        new_id=intake.new_message_id,
        publish=lambda name, version, muc, who: publishing.publish(
            store, name, version, muc, who=who, now=datetime.now(UTC)
        ),
        persons=persons,
    )


def inquirer(gate: Gate) -> Inquirer:
    """Who asks parties what they believe, by letters of our own (HS19). Raises Stopped (SYS-037) without a key."""
    from gateway.services import intake
    from gateway.services.inquiries import Inquirer

    store, key = gate.store, gate.key
    if store is None or key is None:
        raise Stopped(Problem("SYS-037"))
    return Inquirer(
        store=store,
        parties=gate.parties,
        ourselves=OURSELVES,
        address=Address(
            ma_dinh_danh=gate.identity.ma_dinh_danh,
            ten_co_quan=gate.identity.ten_co_quan,
            he_thong=gate.identity.he_thong,
        ),
        key=key,
        enter=lambda envelope: intake.receive([envelope], gate, envelope.received_at)[0],
        new_id=intake.new_message_id,
    )


def deadline_rules(settings: Settings) -> DeadlineRules:
    """How this node counts time limits. Raises Stopped (SYS-020, SYS-011 to SYS-018) for a calendar file that is no good."""
    from gateway.core.deadlines import DeadlineRules
    from gateway.services.calendars import calendar_of

    of = settings.deadlines
    spans = [span.split("-") for span in of.hours]
    hours = tuple((time.fromisoformat(opens), time.fromisoformat(closes)) for opens, closes in spans)
    return DeadlineRules(
        hand_over_h=of.hand_over_h,
        hand_over_in_working_hours=of.hand_over_in is DeadlineHours.WORKING,
        calendar=calendar_of(of.calendar, hours),
    )


def file_rules(settings: Settings) -> FileRules | None:
    """How messages that name files are judged; None where this node keeps no files."""
    of = settings.files
    return FileRules(wait=timedelta(hours=of.wait_h), unscanned=of.unscanned) if of.folder is not None else None


def file_folder(settings: Settings) -> FileFolder | None:
    """Where this node keeps files; None where it keeps none."""
    from gateway.store.filefolder import FileFolder

    return FileFolder(settings.files.folder, settings.archive.folder) if settings.files.folder is not None else None


def file_desk(settings: Settings, store: Store | None) -> FileDesk | None:
    """Who takes files in; None where this node keeps none."""
    from connectors.scanning import Clamd, ScanCommand
    from gateway.services.file_desk import FileDesk, FileLimits

    of, folder = settings.files, file_folder(settings)
    if folder is None or store is None:
        return None
    scanner: FileScanner | None = None
    if of.clamd is not None:
        scanner = Clamd(of.clamd, of.scan_s)
    elif of.scan_command:
        scanner = ScanCommand(of.scan_command, of.scan_s)
    limits = FileLimits(
        most_bytes=of.most_bytes,
        quota_bytes=of.quota_mb * 1_000_000,
        keep=timedelta(days=of.keep_days),
        unfinished=timedelta(hours=of.unfinished_h),
    )
    return FileDesk(store, folder, limits, scanner)


def egress_proxy(settings: Settings) -> EgressProxy | None:
    """This node's way out; None where the world outside is reached directly. Raises Stopped (SYS-020, SYS-023)."""
    from connectors.proxying import EgressProxy
    from connectors.table import Secret

    of = settings.proxy
    if of.url is None:
        return None
    password = None if of.password_env is None else Secret(f"env:{of.password_env}")
    if of.password_file is not None:
        node_secret(of.password_file, "proxy.password_file")
        password = Secret(f"file:{of.password_file}")
    return EgressProxy(url=of.url, user=of.user, password=password, direct=of.direct)


def node_clock(store: Store, start: ClockStart | None = None) -> NodeClock:
    """The time that a process of this node goes by. ``start``: what its parent believed when it began."""
    newest, confirmed = vouched(store)
    clock = NodeClock(newest, start)
    clock.settle(newest, confirmed)  # one of a node whose other processes have settled it already
    return clock


def vouched(store: Store) -> tuple[datetime | None, ClockStart | None]:
    """What the log says of the time: when its newest line was written, and what a person of this machine last confirmed."""
    with store.read() as view:
        confirmed = view.last_act("clock.confirmed")
        return view.newest_line_at(), None if confirmed is None else ClockStart.of(confirmed.facts)


def archive_keeper(settings: Settings, store: Store) -> ArchiveKeeper:
    """Who makes this node's archives. Raises Stopped: SYS-037 no key, SYS-198 no folder."""
    from gateway.services.archiving import ArchiveKeeper

    key = load_key(settings)
    if key is None:
        raise Stopped(Problem("SYS-037"))
    if settings.archive.folder is None:
        raise Stopped(Problem("SYS-198", {"archive": "–", "reason": "archive.folder"}))
    return ArchiveKeeper(
        store=store,
        archives=Archives(settings.archive.folder),
        key=key,
        certificates=tuple(own_certificates(settings)),
        gateway=settings.node.identifier,
    )


def load_key(settings: Settings) -> SigningKey | None:
    """The gateway's signing key; None when none is configured. Raises Stopped (SIG-10x, SYS-020, SYS-022, SYS-023)."""
    from signing.sign import SigningKey

    key = settings.key
    if key.module is not None and key.token is not None and key.label is not None:
        from signing.token import load_token_key

        pin = (_password(settings) or b"").decode()
        return load_token_key(key.module, key.token, key.label, pin, key.certificate)
    if key.file is None:
        return None
    return SigningKey.load(key.file, key.certificate, _password(settings))


def own_certificates(settings: Settings) -> list[Certificate]:
    """The certificates by which the gateway has signed and signs: what others check our receipts and log heads by.

    Needs no key, so that whoever may not read it can check. Raises Stopped (SYS-020, SYS-021).
    """
    from signing.keyfiles import own_certificate

    key, password = settings.key, None
    named = [] if key.certificate is None else [("key.certificate", key.certificate)]
    if key.certificate is None and key.file is not None:  # it lies beside the key
        named, password = [("key.file", key.file)], _password(settings)
    named += [(f"key.previous[{number}]", path) for number, path in enumerate(key.previous, 1)]
    found = []
    for name, path in named:
        try:
            found.append(own_certificate(_bytes(path, name), password))
        except ValueError as error:
            facts = {"path": str(path), "key": name, "file": CONFIG_NAME, "reason": str(error)}
            raise Stopped(Problem("SYS-021", facts)) from error
    return found


def _password(settings: Settings) -> bytes | None:
    key = settings.key
    return key_password(key.password_file, key.password_env, "key.password_file", key.file)


def load_trees(settings: Settings) -> list[TrustTree]:
    """The trust trees. Raises Stopped with every file that cannot be used (SYS-020, SYS-034)."""
    from signing.trust import load_tree

    trees: list[TrustTree] = []
    problems: list[Problem] = []
    for number, tree in enumerate(settings.trust.trees):
        key = f"trust.trees[{number + 1}].files"
        try:
            files = [_bytes(path, key) for path in tree.files]
        except Stopped as stop:
            problems += stop.problems
            continue
        try:
            trees.append(load_tree(tree.name, *files, valid_from=tree.valid_from, valid_to=tree.valid_to))
        except ValueError as error:
            path = ", ".join(str(file) for file in tree.files)
            problems.append(Problem("SYS-034", {"path": path, "key": key, "reason": str(error)}))
    if problems:
        raise Stopped(*problems)
    return trees


def sources_of(settings: Settings) -> list[Sources]:
    """Where news of each tree's certificates come from."""
    from gateway.services.certificate_status import Sources

    return [
        Sources(
            tree=tree.name,
            crl_files=tree.crls,
            crl_urls=tree.crl_urls,
            ocsp_url=tree.ocsp_url,
            follow_certificates=tree.follow_certificates,
        )
        for tree in settings.trust.trees
    ]


def _bytes(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        facts = {"path": str(path), "key": key, "file": CONFIG_NAME, "reason": system_reason(error)}
        raise Stopped(Problem("SYS-020", facts)) from error


def registry_in_files(settings: Settings) -> Parties:
    """The registry as the profile files have it, applied or not."""
    trees = [tree.name for tree in settings.trust.trees]
    return Parties(profiles.read_folder(settings.parties.folder, trees))


def registry_of(store: Store) -> Parties:
    """The registry in force."""
    with store.read() as view:
        version = view.parties_version()
        rows = view.parties()
    found: list[Party] = []
    for row in rows:
        try:
            found.append(profiles.from_text(row.profile or ""))
        except Exception as error:  # noqa: BLE001 - a field or a library has changed since: that party alone is out
            _shut_out(row.id, error)
    try:
        return Parties(found, version)
    except ValueError:  # two parties share something that only one may have: the later one is out
        kept: list[Party] = []
        for party in found:
            try:
                Parties([*kept, party])
                kept.append(party)
            except ValueError as error:
                _shut_out(party.id, error)
        return Parties(kept, version)


def _shut_out(party: PartyId, error: Exception) -> None:
    log.error("SYS-076 party %s is shut out until its profile is applied anew: %s", party, error)


def prove_registry(rows: Iterable[PartyVersion], settings: Settings) -> None:
    """Build the whole view of these profiles, as a fresh process will. Raises Stopped (SYS-076) naming the party.

    Called inside the transaction that puts them into force: what cannot be built is never in force.
    """
    from signing.trust import TrustView

    built: list[Party] = []
    party = "–"
    try:
        for row in rows:
            party = row.id
            built.append(profiles.from_text(row.profile or ""))
        try:
            TrustView.build(Parties(built))
        except Exception:
            for number, one in enumerate(built, 1):
                party = one.id
                TrustView.build(Parties(built[:number]))
            raise
        party = str(OURSELVES)
        own = with_ourselves(Parties(built), settings, None)
        TrustView.build(own, load_trees(settings))
    except Stopped:
        raise
    except Exception as error:  # whatever it is, it would end every process later
        raise Stopped(Problem("SYS-076", {"party": party, "reason": str(error) or type(error).__name__})) from error


def with_aliases(parties: Parties, store: Store) -> Parties:
    """The registry with what the catalogue of agencies says of identifiers today."""
    from gateway.services.publishing import in_force

    on_record = in_force(store, _today())
    if on_record is None:  # never without a version that is known already
        return parties
    return _with_catalogues(parties, parties.version, on_record)


def with_ourselves(parties: Parties, settings: Settings, key: SigningKey | None) -> Parties:
    """The registry with the gateway itself in it: queries may be addressed to it, and its receipts can be verified."""
    ders = {} if key is None else {key.fingerprint: key.certificate_der}
    ders |= {one.fingerprint: one.der for one in own_certificates(settings)}  # what earlier keys signed still counts
    certificates = tuple(SigningCertificate(der=der, fingerprint=fingerprint) for fingerprint, der in ders.items())
    ourselves = Party(
        id=OURSELVES,
        name=settings.node.name,
        role=Role.GATEWAY,
        identifiers=(settings.node.identifier,),
        receives=Receives.PUSH,
        certificates=certificates,
    )
    others = [party for party in parties if party.role is not Role.GATEWAY]
    for party in others:
        for identifier in party.identifiers:
            if identifier.upper() == settings.node.identifier.upper():
                facts = {"what": "identifier", "value": identifier, "first": CONFIG_NAME, "second": f"{party.id}.toml"}
                raise Stopped(Problem("SYS-025", facts))
    return Parties(
        [*others, ourselves],
        parties.version,
        same=parties.same,
        same_as_of=parties.same_as_of,
        shapes=parties.shapes,
    )


def trust_of(parties: Parties, trees: Iterable[TrustTree], settings: Settings, store: Store | None) -> TrustView:
    """Who may sign what, and what is known of each certificate; its version is that of what is known.

    What the store does not know of is judged by the revocation lists that the operator keeps as files, as of now.
    """
    from signing.trust import TrustView

    version, verdicts = 0, []
    if store is not None:
        with store.read() as view:
            version = view.statuses_version()
            rows = view.certificate_statuses()
        for row in rows:
            try:
                verdicts.append(certificate_status(row))
            except Exception as error:  # noqa: BLE001 - a field has changed since: this one is not known, and asked for again
                log.warning("what is known of certificate %s cannot be read: %s", row.fingerprint, type(error).__name__)
    flaws: dict[str, str] = {}
    built = TrustView.build(parties, trees, verdicts, flaws=flaws)
    for flaw in flaws.values():
        log.error("SYS-076 a party is shut out until its profile is mended: %s", flaw)
    built = built.with_verdicts(statuses_by_files(built, parties, settings))
    return TrustView(
        certificates=built.certificates, trees=built.trees, verdicts=built.verdicts, own=built.own, version=version
    )


def statuses_by_files(trust: TrustView, parties: Parties, settings: Settings) -> list[CertificateStatus]:
    """Verdicts on registered certificates that nothing is known of yet, by the CRL files among the settings.

    The same certificate under the same issuers by the same lists is judged again after a minute, and says of when it is.
    Raises Stopped (SYS-020) for a file that cannot be read.
    """
    crls: dict[str, list[bytes]] = {}
    for number, tree in enumerate(settings.trust.trees):
        crls[tree.name] = [_bytes(path, f"trust.trees[{number + 1}].crls") for path in tree.crls]
    now = datetime.now(UTC)
    asked: list[tuple[Certificate, TrustTree]] = []
    for party in parties:
        for registration in party.certificates:
            grown = trust.trees.get(registration.tree or "")
            certificate = trust.certificates.get(registration.fingerprint)
            if grown is not None and certificate is not None and registration.fingerprint not in trust.verdicts:
                asked.append((certificate, grown))
    if not asked:
        return []
    from concurrent.futures import ThreadPoolExecutor

    from signing.status import judge_status

    lasts = timedelta(hours=settings.trust.evidence_h)
    heads = {name: tuple(hashlib.sha256(body).hexdigest() for body in bodies) for name, bodies in crls.items()}

    def judged(one: Certificate, tree: TrustTree) -> CertificateStatus:
        above = tuple(issuer.fingerprint for issuer in (*tree.anchors, *tree.intermediates))
        key = (one.fingerprint, tree.name, above, heads.get(tree.name, ()), lasts)
        known = _judged.get(key)
        if (
            known is None
            or not known.as_of <= now < known.as_of + AS_NEW
            or (known.until is not None and known.until < now)
        ):
            if len(_judged) >= JUDGED:
                _judged.clear()
            known = _judged[key] = judge_status(one, tree, now, crls=crls.get(tree.name, ()), lasts=lasts)
        return known

    # A thread of its own: the path validator runs an event loop, and the caller's thread may be running one already.
    with ThreadPoolExecutor(1, thread_name_prefix="status") as aside:
        return list(aside.map(judged, *zip(*asked, strict=True)))


def certificate_status(row: StoredStatus) -> CertificateStatus:
    """What is known of a certificate, as the store keeps it."""
    from signing.trust import CertificateStatus

    return CertificateStatus.from_dict(
        {
            **row.facts,
            "fingerprint": row.fingerprint,
            "status": row.status,
            "as_of": row.as_of.isoformat(),
            "until": row.until.isoformat() if row.until else None,
            "evidence": row.evidence,
        }
    )
